// The bits of the Sender's last message: all of them, and a page for each.

const PER_SIDE = 24;

function sum(values) {
  return values.reduce((total, value) => total + value, 0);
}

// Of a bit: in how many conversations it is 1, in all and by class.
function bitUse(talks, bit) {
  const ones = talks.labels.map((_, column) => talks.arrays.class_ones[column * talks.bits + bit]);
  return { ones, total: sum(ones) };
}

function bitsView(talks, state) {
  byId("count").textContent = "";
  const heading = make("h2", { tabindex: -1 }, "Bits of the Sender's last message");
  if (!talks.binary) return [heading, make("p", {}, "The messages of this run are numbers, not bits.")];
  const rows = Array.from({ length: talks.bits }, (_, bit) => {
    const { total } = bitUse(talks, bit);
    const told = talks.arrays.information[bit];
    return make("tr", {},
      make("th", { scope: "row" }, make("a", { href: addressOf({ ...state, view: "bit", bit: bit + 1 }) }, `Bit ${bit + 1}`)),
      make("td", { class: "share" }, make("span", { class: "bar", "aria-hidden": "true" }, make("i", { style: { width: `${(100 * total) / talks.total}%` } })), share(total / talks.total)),
      make("td", { class: "share" }, make("span", { class: "bar", "aria-hidden": "true" }, make("i", { style: { width: `${100 * Math.max(0, told)}%` } })), share(told)),
      make("td", { class: "text" }, total === 0 || total === talks.total ? "never changes" : ""));
  });
  return [heading,
    make("p", { class: "note" }, `Over all ${counted(talks.total, "conversation")} of this run, seed and part. A bit tells 1 bit at most; the class has ${share(talks.entropy)} bits. Information is corrected after Miller and Madow, and can be a little below 0.`),
    make("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": "Table of bits" }, make("table", { class: "bits" },
      make("thead", {}, make("tr", {}, ["Bit", "Is 1 in", "Tells of the class (bits)", ""].map((title, place) => place === 3 ? make("td", {}) : make("th", { scope: "col" }, title)))),
      make("tbody", {}, rows)))];
}

function bitView(talks, state) {
  byId("count").textContent = "";
  const bit = Math.floor(bound(state.bit, 1)) - 1;
  if (!talks.binary || bit < 0 || bit >= talks.bits) return bitsView(talks, state);
  const { ones, total } = bitUse(talks, bit);
  const step = (by, text) => bit + by < 0 || bit + by >= talks.bits ? make("span", { class: "off" }, text) : make("a", { href: addressOf({ ...state, bit: bit + by + 1 }) }, text);
  const isOne = (row) => talks.bit("sender", row, talks.length(row) - 1, bit) === 1;
  const rows = Array.from({ length: talks.shown }, (_, row) => row);
  return [
    make("h2", { tabindex: -1 }, `Bit ${bit + 1} of the Sender's last message`),
    make("nav", { class: "steps", "aria-label": "Bits" }, make("a", { href: addressOf({ ...state, view: "bits", bit: "" }) }, "All"), step(-1, "← Previous"), step(1, "Next →")),
    make("p", {}, `It is 1 in ${total.toLocaleString("en")} of ${counted(talks.total, "conversation")} (`, make("span", { id: "bit-use" }, share(total / talks.total)), "), and tells ",
      make("b", { id: "bit-information" }, share(talks.arrays.information[bit])), ` bits of the class, which has ${share(talks.entropy)}.`),
    make("div", { class: "bit-page" }, classTable(talks, ones, total), make("div", {},
      bitImages(talks, state, rows.filter(isOne), "Images that set it"),
      bitImages(talks, state, rows.filter((row) => !isOne(row)), "Images that do not"))),
  ];
}

function classTable(talks, ones, total) {
  const lines = talks.labels.map((label, column) => ({ label, ones: ones[column], count: talks.arrays.class_count[column] })).filter((line) => line.count > 0);
  lines.sort((a, b) => b.ones / b.count - a.ones / a.count);
  const bar = (part, of) => [make("span", { class: "bar", "aria-hidden": "true" }, make("i", { style: { width: `${of ? (100 * part) / of : 0}%` } }))];
  return make("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": "The bit by class" }, make("table", { class: "classes" },
    make("caption", {}, "Of the class: how much of it has the bit. Of the bit: which classes those are that have it, beside which classes there are at all."),
    make("thead", {}, make("tr", {}, ["Class", "Conversations", "With the bit", "Of the class", "Of the bit", "Of all"].map((title) => make("th", { scope: "col" }, title)))),
    make("tbody", {}, lines.map((line) => make("tr", {},
      make("th", { scope: "row" }, named(line.label)),
      make("td", {}, line.count), make("td", {}, line.ones),
      make("td", { class: "share" }, bar(line.ones, line.count), share(line.ones / line.count)),
      make("td", {}, total ? share(line.ones / total) : "–"), make("td", {}, share(line.count / talks.total)))))));
}

// Takes one of each class in turn, so that the first few are not all of the first class.
function inTurn(talks, rows) {
  const seen = new Map();
  const round = new Map(rows.map((row) => {
    const number = seen.get(talks.target(row)) ?? 0;
    seen.set(talks.target(row), number + 1);
    return [row, number];
  }));
  return [...rows].sort((a, b) => round.get(a) - round.get(b) || a - b);
}

function bitImages(talks, state, rows, title) {
  const shown = inTurn(talks, rows).slice(0, PER_SIDE);
  return make("section", {}, make("h3", {}, title),
    make("p", { class: "note" }, rows.length === 0 ? "None." : `${rows.length.toLocaleString("en")} of ${talks.shown.toLocaleString("en")} on this page${shown.length < rows.length ? `; ${shown.length} of them, of each class in turn` : ""}`),
    make("ul", { class: "cards small" }, shown.map((row) => card(talks, row, state))));
}
