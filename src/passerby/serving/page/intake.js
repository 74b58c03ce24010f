// Pictures to search by, however they come: chosen, dropped or pasted.

const byId = (id) => document.getElementById(id);

export function takePictures(take) {
  byId("file").addEventListener("change", (event) => event.target.files[0] && take(event.target.files[0]));
  document.addEventListener("paste", (event) => {
    const file = [...event.clipboardData.files].find((one) => one.type.startsWith("image/"));
    if (!file || byId("desk").hidden) return;
    event.preventDefault();
    take(file);
  });
  for (const kind of ["dragenter", "dragover"]) {
    document.addEventListener(kind, (event) => {
      event.preventDefault();
      byId("drop").classList.add("over");
    });
  }
  for (const kind of ["dragleave", "drop"]) {
    document.addEventListener(kind, () => byId("drop").classList.remove("over"));
  }
  document.addEventListener("drop", (event) => {
    event.preventDefault();
    const file = event.dataTransfer.files[0];
    if (file && !byId("desk").hidden) take(file);
  });
}
