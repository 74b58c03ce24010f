"""How a report looks: light and dark, on a phone and on paper, without a script."""

STYLE = """
:root { color-scheme: light dark; --page: #fff; --ink: #1c1c1e; --pale: #62666d; --rule: #d9dce1;
  --card: #f5f6f8; --link: #0b57d0; --right: #00803f; --wrong: #c62828;
  --c0: #1f77b4; --c1: #d95f02; --c2: #2a9d4a; --c3: #a349a4; --c4: #8a6d00; --c5: #008a8a; }
@media (prefers-color-scheme: dark) { :root { --page: #141518; --ink: #e8e9eb; --pale: #a2a7b0;
  --rule: #383b42; --card: #1f2126; --link: #8ab4f8; --right: #3ecf7f; --wrong: #ff6b6b;
  --c0: #5fb0ee; --c1: #ff9d4d; --c2: #5fd185; --c3: #d58be0; --c4: #d9bc4a; --c5: #4fd0d0; } }
* { box-sizing: border-box; }
html { scroll-padding-top: 3.2rem; }
body { margin: 0; background: var(--page); color: var(--ink);
  font: 16px/1.5 system-ui, -apple-system, "Segoe UI", sans-serif; }
header, main, footer { max-width: 72rem; margin: 0 auto; padding: 0 1rem; }
header { padding-top: 1.2rem; }
h1 { font-size: 1.5rem; line-height: 1.25; margin: 0 0 .3rem; overflow-wrap: anywhere; }
h2 { font-size: 1.2rem; margin: 2.2rem 0 .6rem; padding-top: .6rem;
  border-top: 1px solid var(--rule); }
h3 { font-size: 1rem; margin: 1.2rem 0 .4rem; }
p, li { max-width: 46rem; }
.pale, figcaption, footer { color: var(--pale); font-size: .875rem; }
a { color: var(--link); }
nav { position: sticky; top: 0; z-index: 2; background: var(--page);
  border-bottom: 1px solid var(--rule); }
nav div { max-width: 72rem; margin: 0 auto; padding: .4rem 1rem; display: flex; gap: 1rem;
  overflow-x: auto; white-space: nowrap; }
nav a { padding: .25rem 0; text-decoration: none; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; margin: .4rem 0; font-variant-numeric: tabular-nums; }
th, td { padding: .3rem .8rem .3rem 0; text-align: right; border-bottom: 1px solid var(--rule);
  vertical-align: top; }
th { font-weight: 600; white-space: nowrap; }
th:first-child, td:first-child { text-align: left; }
table.words td, table.words th { text-align: left; overflow-wrap: anywhere; }
dl.numbers { display: flex; flex-wrap: wrap; gap: .6rem; margin: .8rem 0; }
dl.numbers div { background: var(--card); border-radius: .5rem; padding: .5rem .9rem; }
dl.numbers dt { color: var(--pale); font-size: .8rem; }
dl.numbers dd { margin: 0; font-size: 1.35rem; font-weight: 600; }
.charts { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(100%, 17rem), 1fr));
  gap: 1rem; }
.chart { margin: 0; background: var(--card); border-radius: .5rem; padding: .6rem .6rem .4rem; }
.chart svg { display: block; width: 100%; height: auto; overflow: visible; }
.chart text { fill: var(--pale); font-size: 11px; }
.grid { stroke: var(--rule); fill: none; }
.line { fill: none; stroke: currentColor; stroke-width: 2; stroke-linejoin: round; }
.dot { fill: currentColor; }
.area { fill: currentColor; fill-opacity: .35; stroke: currentColor; }
.c0 { color: var(--c0); } .c1 { color: var(--c1); } .c2 { color: var(--c2); }
.c3 { color: var(--c3); } .c4 { color: var(--c4); } .c5 { color: var(--c5); }
.legend { display: flex; flex-wrap: wrap; gap: .2rem .9rem; font-size: .8rem; }
.legend i { display: inline-block; width: .8em; height: .8em; border-radius: 2px;
  margin-right: .35em; background: currentColor; }
.strips { display: flex; flex-wrap: wrap; gap: .8rem; }
.strips figure { margin: 0; max-width: 100%; }
.strips figcaption { width: 0; min-width: 100%; }
.strips img { display: block; max-width: 100%; height: auto; border-radius: 4px; }
.choices { display: flex; flex-wrap: wrap; gap: .3rem; margin: .6rem 0; }
.lists > input { position: absolute; opacity: 0; }
.choices label { border: 1px solid var(--rule); border-radius: 1rem; padding: .3rem .9rem;
  cursor: pointer; }
.list { margin: 0 0 1rem; padding: .6rem; background: var(--card); border-radius: .5rem; }
.list h3 { margin: 0 0 .4rem; font-weight: 600; }
.list h3 span { color: var(--pale); font-weight: 400; }
.row { display: flex; gap: .5rem; overflow-x: auto; padding-bottom: .3rem; }
.row figure { margin: 0; flex: 0 0 auto; text-align: center; }
.row img { display: block; height: 8rem; width: auto; border: 4px solid var(--pale);
  border-radius: 4px; }
.row figcaption { line-height: 1.3; font-size: .75rem; }
.row .query { position: sticky; left: 0; background: var(--card); padding-right: .5rem; }
.right img { border-color: var(--right); } .wrong img { border: 4px dashed var(--wrong); }
.right b { color: var(--right); } .wrong b { color: var(--wrong); }
.none { display: none; }
details { margin: .6rem 0; } summary { cursor: pointer; }
pre { overflow-x: auto; background: var(--card); padding: .8rem; border-radius: .5rem;
  font-size: .8rem; }
pre.command { white-space: pre-wrap; overflow-wrap: anywhere; }
footer { padding: 2rem 1rem 3rem; }
@media print { nav, .choices { display: none; } .list, .chart { break-inside: avoid; } }
"""
"""Of every report; `filter_style` adds what the filters need."""


def filter_style(names: list[str]) -> str:
    """Radio buttons that hide all lists but those of a kind, by CSS alone.

    Args:
        names: of the kinds, classes of the lists; `all` hides nothing.
    """
    rules = []
    for name in names:
        if name != "all":
            rules.append(f"#show-{name}:checked ~ .list:not(.{name}) {{ display: none; }}")
            rules.append(f"#show-{name}:checked ~ .no-{name} {{ display: block; }}")
        chosen = f'.choices label[for="show-{name}"]'
        rules.append(
            f"#show-{name}:checked ~ {chosen} "
            "{ background: var(--link); color: var(--page); border-color: var(--link); }"
        )
        rules.append(
            f"#show-{name}:focus-visible ~ {chosen} "
            "{ outline: 3px solid var(--c1); outline-offset: 2px; }"
        )
    return "\n".join(rules)
