"use strict";
// Niceties only: the page says everything without them. Columns sort by the numbers of the JSON; commands are copied.
const data = JSON.parse(document.getElementById("xent-json").textContent);
const at = (path) => path.split(".").reduce((value, key) => value?.[key], data);
const key = (cell) => {
  const shown = cell?.matches("[data-json]") ? cell : cell?.querySelector("[data-json]");
  const value = shown ? at(shown.dataset.json) : null;
  return value === "Infinity" ? Infinity : value === "-Infinity" ? -Infinity : value;
};
const order = (a, b) => {
  if (a === null || b === null || a === undefined || b === undefined) return (a ?? null) === null ? 1 : -1;
  return typeof a === "string" || typeof b === "string" ? String(a).localeCompare(String(b)) : a - b;
};
for (const table of document.querySelectorAll("table.sortable")) {
  const heads = [...table.tHead.rows[0].cells];
  heads.forEach((head, column) => {
    if (head.classList.contains("forest")) return;
    const button = document.createElement("button");
    button.type = "button";
    button.append(...head.childNodes);
    head.append(button);
    button.addEventListener("click", () => {
      const down = head.getAttribute("aria-sort") !== "descending";
      heads.forEach((other) => other.removeAttribute("aria-sort"));
      head.setAttribute("aria-sort", down ? "descending" : "ascending");
      const rows = [...table.tBodies[0].rows].map((row) => [key(row.cells[column]), row]);
      rows.sort(([a], [b]) => (a === null || b === null ? order(a, b) : down ? order(b, a) : order(a, b)));
      table.tBodies[0].append(...rows.map(([, row]) => row));
    });
  });
}
if (navigator.clipboard) {
  for (const box of document.querySelectorAll(".command")) {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = "copy";
    button.addEventListener("click", async () => {
      await navigator.clipboard.writeText(box.querySelector("code").textContent);
      button.textContent = "copied";
    });
    box.append(button);
  }
}
