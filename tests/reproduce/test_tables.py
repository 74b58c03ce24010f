"""The declared tables against the papers' data and the methods' recipes."""

import pytest

from passerby.experiment import make_recipe
from passerby.methods import METHODS
from passerby.recipes import override, to_plain
from passerby.reproduce.filled import paper_number
from passerby.reproduce.published import Place, published
from passerby.reproduce.tables import ACROSS, TABLES, tables_of
from passerby.types import InputError

DATA = ("market1501", "dukemtmc", "cuhk03", "synthetic")
EVERY = [
    (method, data, table)
    for method, tables in TABLES.items()
    for data in DATA
    for table in tables(data)
]


def trainings(table):
    for line in table.lines:
        training = line.training
        while training is not None:
            yield training
            training = training.start


@pytest.mark.parametrize("preset", ["paper", "small"])
def test_every_change_is_one_of_the_recipe(preset):
    for _, data, table in EVERY:
        for training in trainings(table):
            recipe = make_recipe(METHODS[training.method], data, preset, training.changes)
            for line in table.lines:
                if line.training is training:
                    override(recipe, line.search.changes)


def test_one_name_is_one_configuration():
    for data in DATA:
        named = {}
        for _, own, table in EVERY:
            if own == data:
                for training in trainings(table):
                    key = training.method, training.name
                    assert named.setdefault(key, training) == training


def test_configurations_of_a_table_differ():
    for _, data, table in EVERY:
        recipes = {}
        for training in trainings(table):
            plain = to_plain(make_recipe(METHODS[training.method], data, "paper", training.changes))
            recipes.setdefault(str(plain), set()).add((training.method, training.name))
        same = [names for names in recipes.values() if len(names) > 1]
        assert same == [], table.number


def test_msreid_is_compared_by_its_programs_definition_of_ap():
    """Every mAP that the paper prints of its own is cut at rank 50."""
    table = tables_of("msreid", "market1501", "1")[0]
    own = [n for n in published("msreid") if n.method == "msreid" and n.metric == "mean_ap"]
    assert {n.average_precision for n in own} == {"step, cut at rank 50"}
    assert table.average_precision == "step_50"
    assert paper_number(table, table.lines[1], Place("market1501"), "mean_ap").printed == "88.8"


def test_every_own_row_of_a_paper_has_its_line():
    """And every line that the paper could have, it has."""
    for method in ("msreid", "attention_driven", "generated_masks", "mask_pooling", "feature_mask"):
        rows = {}
        for n in published(method):
            if n.method == method and n.metric.startswith("rank_") and "gain" not in n.metric:
                mode = (n.variant, n.query_mode, n.reranking)
                rows.setdefault(n.table, set()).add(mode)
        # The best of 8 runs stands in the caption, MPM-LTL's text repeats a row of its Table 1.
        rows = {number: found for number, found in rows.items() if number != "text"}
        lines = {}
        for table in TABLES[method]("market1501"):
            if table.number.isdigit():
                lines[table.number] = {
                    (
                        line.variant,
                        "multi" if line.search.multi_query else "single",
                        "k-reciprocal" if line.search.reranking else "none",
                    )
                    for line in table.lines
                    if line.training.method == method and line.variant != "after stage 1 (no masks)"
                }
        assert lines == rows


@pytest.mark.parametrize(
    ("place", "rank_1"),
    [
        (Place("market1501"), [None, None, None, "95.72"]),
        (Place("dukemtmc"), ["87.12"] * 4),
        (Place("cuhk03", "detected", "new"), ["71.79"] * 4),
    ],
)
def test_numbers_of_a_text_stand_where_their_mode_is(place, rank_1):
    """Of MPM-LTL's, Market-1501's is MQ+RR; the others' mode is not stated."""
    (table,) = tables_of("mask_pooling", place.data, "text")
    found = [paper_number(table, line, place, "rank_1") for line in table.lines]
    assert [number and number.printed for number in found] == rank_1


@pytest.mark.parametrize("method", TABLES)
def test_stages_that_tables_name_exist(method):
    stages = {}
    for table in TABLES[method]("market1501"):
        for line in table.lines:
            training = line.training
            named = [line.search.stage] if line.search.stage else []
            if training.start is not None:
                named.append(training.start_stage)
            if not named:
                continue
            if training.name not in stages:
                own = METHODS[method]
                recipe = make_recipe(own, "market1501", "small", training.changes)
                network = own.network(recipe)
                made = own.stages(recipe, network, own.criterion(recipe, network, 4))
                stages[training.name] = [stage.name for stage in made]
            assert set(named) <= set(stages[training.name][:-1])
    assert (method in ("feature_mask", "generated_masks", "mask_pooling")) == bool(stages)


def test_shared_stages_have_the_same_recipe():
    """What is taken over must be what the run would have trained itself."""
    decides = {
        "feature_mask": {"tap", "mask"},
        "mask_pooling": {"triplet", "selection", "unit_length"},
        "generated_masks": {"lambda_1"},
    }
    for _, data, table in EVERY:
        for training in trainings(table):
            if training.start is not None:
                method = METHODS[training.method]
                own, start = (
                    to_plain(make_recipe(method, data, "paper", changes))
                    for changes in (training.changes, training.start.changes)
                )
                differ = {name for name in own if own[name] != start[name]}
                assert differ <= decides[training.method]


def test_tables_of_another_data_set_are_left_out():
    numbers = [table.number for table in tables_of("feature_mask", "dukemtmc")]
    assert numbers == ["1", "3", "5", "controls"]
    assert [table.number for table in tables_of("feature_mask", "synthetic", "2")] == ["2"]
    assert [line.training.method for line in tables_of(ACROSS, "synthetic")[0].lines] == [*TABLES]
    assert set(TABLES) <= set(METHODS)


def test_what_there_is_not():
    with pytest.raises(InputError, match="has the tables 1, figure-5, controls to fill; given '2'"):
        tables_of("msreid", "market1501", "2")
    with pytest.raises(InputError, match="there are tables of .* and all; given 'pcb'"):
        tables_of("pcb", "market1501")
