// Legend of the signs in the current view. The browser remembers whether it is folded.

// Return the browser's storage, or null where the browser does not allow it; then nothing is remembered.
function storage() {
  try { return localStorage; } catch { return null; }
}

function startLegend() {
  const legend = byId("legend");
  const remembered = storage()?.getItem("parley-legend") ?? null;
  legend.open = remembered === null ? matchMedia("(min-width: 48rem)").matches : remembered === "open";
  // A click is handled before it opens or folds the legend. The event `toggle` may come after the page is left.
  legend.querySelector("summary").addEventListener("click", () => storage()?.setItem("parley-legend", legend.open ? "folded" : "open"));
}

function fillLegend(dialogues, view) {
  const inView = { list: outcomeEntries, dialogue: dialogueEntries, bits: bitEntries, bit: () => [...bitEntries(), ...outcomeEntries()] };
  byId("legend").hidden = !dialogues;
  if (!dialogues) return;
  byId("legend-entries").replaceChildren(...[...inView[view](dialogues), ...splitEntries(dialogues)].map(([samples, text]) =>
    make("li", {}, make("span", { class: "samples", "aria-hidden": "true" }, samples), make("span", {}, text))));
}

function outcomeEntries() {
  return [
    [[mark(true)], "correct: the true class has the highest score"],
    [[mark(false)], "taken for another class"],
    [["0.571"], "probability of the answer when the dialogue stops (confidence)"],
  ];
}

function dialogueEntries(dialogues) {
  const bit = (kind, probability, agent = "sender") => make("span", { class: agent }, make("span", { class: `bit ${kind}`, style: { "--p": probability } }));
  const bar = (kind) => make("span", { class: kind }, make("span", { class: "bar" }, make("i", { style: { width: "60%" } })));
  const number = (kind, text, share) => make("span", { class: "sender" }, make("span", { class: `number ${kind}`, style: { "--p": share } }, text));
  return [
    [[make("span", { class: "sender agent" }), make("span", { class: "receiver agent" })], "blue: Sender; orange: Receiver"],
    ...(dialogues.binary ? [
      [[bit("one", 1), bit("zero", 0)], "bit is 1, bit is 0"],
      [[bit("one", 0.5), bit("one", 1)], "the stronger the colour, the more probable a 1"],
      [[bit("one changed", 1)], "differs from the agent’s previous message"],
    ] : [
      [[number("", "+0.80", 1), number("below", "−0.20", 0.25)], "the stronger the colour, the further from 0; dashed: negative"],
    ]),
    [[bar("")], "probability of a class after the exchange"],
    [[bar("true")], "the same of the true class"],
    [[make("span", { class: "stop-line" })], "the dialogue stops here"],
    [["0.940"], "the Receiver’s probability of going on; a dialogue stops when the product so far falls below 0.5 (with stop_rule: step, when the last one does)"],
    ...(dialogues.arrays.cells ? [[[make("span", { class: "cell" })], "Sender attention, relative to the largest weight of the exchange"]] : []),
    ...(dialogues.arrays.words ? [[[make("span", { class: "word" }, "word")], "Receiver attention, relative to the largest weight of the description"]] : []),
  ];
}

function bitEntries() {
  return [[[make("span", { class: "bits" }, make("span", { class: "bar" }, make("i", { style: { width: "60%" } })))], "from 0 to 1 (a fraction, or bits of information)"]];
}

function splitEntries(dialogues) {
  const part = dialogues.part;
  if (part === "ood" || part === "transfer") return [[[part], "the candidates are the seen and the unseen classes"]];
  return part.endsWith("_alone") ? [[[part], "the candidates are only the unseen classes"]] : [];
}
