// Show a message: one square per bit, filled for 1 and empty for 0, shaded by the probability of 1; or shaded numbers.

const GROUP = 8;

function messageRow(dialogues, agent, row, t, state) {
  const message = dialogues.message(agent, row, t);
  const before = t > 0 ? dialogues.message(agent, row, t - 1) : null;
  const name = agent === "sender" ? "Sender" : "Receiver";
  const squares = dialogues.binary ? bitSquares(message, before, name, agent, state) : numberSquares(message, name);
  return make("div", { class: `message ${agent}` }, make("span", { class: "agent" }, name), squares);
}

function bitSquares(message, before, name, agent, state) {
  const changed = message.map((one, bit) => before !== null && one.value !== before[bit].value);
  const text = message.map((one) => one.value).join(" ");
  const numbers = changed.flatMap((is, bit) => (is ? [bit + 1] : []));
  const alternative = `${name}: ${text}` + (before === null ? "" : numbers.length === 0 ? "; no bit changed" : `; changed: ${numbers.join(", ")}`);
  const square = (one, bit) => make("span", {
    class: `bit ${one.value ? "one" : "zero"}${changed[bit] ? " changed" : ""}`,
    style: { "--p": one.probability.toFixed(3) },
    title: `${name}, bit ${bit + 1}: ${one.value}, probability of 1 ${one.probability.toFixed(2)}${changed[bit] ? ", changed" : ""}`,
    "data-bit": agent === "sender" ? bit : undefined,
  });
  const groups = [];
  for (let start = 0; start < message.length; start += GROUP) {
    groups.push(make("span", { class: "eight" }, message.slice(start, start + GROUP).map((one, i) => square(one, start + i))));
  }
  const onclick = (event) => {
    const bit = event.target.dataset?.bit;
    if (bit !== undefined) navigate({ view: "bit", bit: Number(bit) + 1 });
  };
  return make("span", { class: "squares", role: "img", "aria-label": alternative, onclick: state ? onclick : undefined }, groups);
}

function numberSquares(message, name) {
  const largest = Math.max(...message.map((one) => Math.abs(one.value)), 1e-9);
  const signed = (value) => (value < 0 ? "−" : "+") + Math.abs(value).toFixed(2);
  const text = message.map((one) => signed(one.value)).join(" ");
  const square = (one, i) => make("span", {
    class: one.value < 0 ? "number below" : "number",
    style: { "--p": (Math.abs(one.value) / largest).toFixed(3) },
    title: `${name}, number ${i + 1}`,
  }, signed(one.value));
  return make("span", { class: "squares numbers", role: "img", "aria-label": `${name}: ${text}` }, message.map(square));
}
