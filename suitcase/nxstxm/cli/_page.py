"""The page that `browse` writes: ROWS is where the table's data go, TITLE its name.

It is one file without anything from elsewhere, so that it opens from a disk, a share or a mail.
Whatever comes out of a file of scans is put in as text, never as markup.
"""

PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>TITLE: scans</title>
<style>
:root { color-scheme: light dark; --line: #8884; --soft: #8882; }
body { font: 14px/1.4 system-ui, sans-serif; margin: 1.5rem; }
h1 { font-size: 1.3rem; margin: 0 0 .6rem; }
input { font: inherit; padding: .3rem .5rem; width: min(30rem, 90%); }
#count { margin-left: .8rem; opacity: .7; }
table { border-collapse: collapse; margin-top: 1rem; }
th, td { padding: .3rem .7rem; border-bottom: 1px solid var(--line); text-align: left;
         vertical-align: middle; }
th { position: sticky; top: 0; background: Canvas; white-space: nowrap; }
th button { all: unset; cursor: pointer; font-weight: 600; }
th button:focus-visible { outline: 2px solid; }
th[aria-sort=ascending] button::after { content: " \\2191"; }
th[aria-sort=descending] button::after { content: " \\2193"; }
tbody tr:hover { background: var(--soft); }
td.n { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
td img { display: block; max-width: 96px; image-rendering: pixelated; }
.error { color: #b3261e; max-width: 40rem; }
.partly { opacity: .7; }
</style>
</head>
<body>
<h1>TITLE</h1>
<input id="filter" type="search" placeholder="filter: words of any column"
       aria-label="filter the scans">
<span id="count"></span>
<table>
<thead><tr></tr></thead>
<tbody></tbody>
</table>
<noscript>This table needs JavaScript, which is part of this page.</noscript>
ROWS
<script>
"use strict";
const rows = JSON.parse(document.getElementById("scans").textContent);
const span = e => !e || !e.length ? "" : e[0] === e[1] ? `${e[0]}` : `${e[0]} to ${e[1]}`;
const columns = [
  {key: "picture", title: ""},
  {key: "file", title: "file"},
  {key: "type", title: "scan"},
  {key: "points", title: "shape", show: r => r.shape || "", number: true},
  {key: "energies", title: "energy (eV)", show: r => span(r.energies), sort: r => r.energies && r.energies[0], number: true},
  {key: "width", title: "width (\\u00b5m)", number: true},
  {key: "dwell", title: "dwell (s)", number: true},
  {key: "polarization", title: "polarization"},
  {key: "sample", title: "sample"},
  {key: "start", title: "start", show: r => (r.start || "").slice(0, 19).replace("T", " ")},
  {key: "entries", title: "entries", number: true},
  {key: "size", title: "MB", show: r => r.size < 1e6 ? (r.size / 1e6).toFixed(3) : (r.size / 1e6).toFixed(1), number: true},
];
const head = document.querySelector("thead tr"), body = document.querySelector("tbody");
const filter = document.getElementById("filter"), count = document.getElementById("count");
const text = (c, r) => c.show ? c.show(r) : r[c.key] === undefined || r[c.key] === null ? "" : String(r[c.key]);
const value = (c, r) => c.sort ? c.sort(r) : r[c.key];
let order = {key: "file", down: false};

function line(r) {
  const tr = document.createElement("tr");
  if (r.complete === false) { tr.className = "partly"; tr.title = "not complete"; }
  for (const c of columns) {
    const td = document.createElement("td");
    if (c.key === "picture") {
      if (r.picture) {
        const img = document.createElement("img");
        img.loading = "lazy"; img.alt = "";
        img.src = "data:image/png;base64," + r.picture;
        td.append(img);
      }
    } else if (c.key === "file") {
      const a = document.createElement("a");
      a.href = r.link || r.file.split("/").map(encodeURIComponent).join("/");
      a.textContent = r.file;
      td.append(a);
    } else if (c.key === "type" && r.error) {
      td.className = "error"; td.colSpan = columns.length - 2; td.textContent = r.error;
      tr.append(td);
      break;
    } else {
      if (c.number) td.className = "n";
      td.textContent = text(c, r);
    }
    tr.append(td);
  }
  r.words = [r.error || "", ...columns.slice(1).map(c => text(c, r))].join(" ").toLowerCase();
  return tr;
}

for (const r of rows) r.line = line(r);

function compare(a, b) {
  const c = columns.find(c => c.key === order.key);
  const [x, y] = [value(c, a), value(c, b)];
  const none = v => v === undefined || v === null || v === "";
  // what has no value is last, whichever way it is sorted
  if (none(x) || none(y)) return none(x) - none(y);
  const d = typeof x === "number" ? x - y : String(x).localeCompare(String(y), undefined, {numeric: true});
  return order.down ? -d : d;
}

function show() {
  const words = filter.value.toLowerCase().split(/\\s+/).filter(Boolean);
  const shown = rows.filter(r => words.every(w => r.words.includes(w))).sort(compare);
  body.replaceChildren(...shown.map(r => r.line));
  count.textContent = shown.length === rows.length ? `${rows.length} files` : `${shown.length} of ${rows.length} files`;
  for (const th of head.children) {
    const is = th.dataset.key === order.key;
    th.setAttribute("aria-sort", is ? (order.down ? "descending" : "ascending") : "none");
  }
}

for (const c of columns) {
  const th = document.createElement("th");
  th.dataset.key = c.key;
  if (c.title) {
    const button = document.createElement("button");
    button.textContent = c.title;
    button.addEventListener("click", () => {
      order = {key: c.key, down: order.key === c.key && !order.down};
      show();
    });
    th.append(button);
  }
  head.append(th);
}
// scans.html#sort=start, #sort=-start and #filter=stack can be kept as bookmarks
for (const part of decodeURIComponent(location.hash.slice(1)).split("&")) {
  const [name, wanted] = part.split("=");
  if (name === "sort" && wanted) order = {key: wanted.replace(/^-/, ""), down: wanted.startsWith("-")};
  if (name === "filter" && wanted) filter.value = wanted;
}
if (!columns.some(c => c.key === order.key)) order = {key: "file", down: false};
filter.addEventListener("input", show);
show();
</script>
</body>
</html>
"""
