// A message: a square a bit, full for 1 and open for 0, the stronger the surer it was to be 1; or shaded numbers.

const GROUP = 8;

function messageRow(talks, agent, row, t, state) {
  const said = talks.message(agent, row, t);
  const before = t > 0 ? talks.message(agent, row, t - 1) : null;
  const name = agent === "sender" ? "Sender" : "Receiver";
  const squares = talks.binary ? bitSquares(said, before, name, agent, state) : numberSquares(said, name);
  return make("div", { class: `message ${agent}` }, make("span", { class: "agent" }, name), squares);
}

function bitSquares(said, before, name, agent, state) {
  const changed = said.map((one, bit) => before !== null && one.value !== before[bit].value);
  const text = said.map((one) => one.value).join(" ");
  const which = changed.flatMap((is, bit) => (is ? [bit + 1] : []));
  const alternative = `${name}: ${text}` + (before === null ? "" : which.length === 0 ? "; no bit changed" : `; changed: ${which.join(", ")}`);
  const square = (one, bit) => make("span", {
    class: `bit ${one.value ? "one" : "zero"}${changed[bit] ? " changed" : ""}`,
    style: { "--p": one.share.toFixed(3) },
    title: `${name}, bit ${bit + 1}: ${one.value}, probability of 1 ${one.share.toFixed(2)}${changed[bit] ? ", changed" : ""}`,
    "data-bit": agent === "sender" ? bit : undefined,
  });
  const groups = [];
  for (let start = 0; start < said.length; start += GROUP) {
    groups.push(make("span", { class: "eight" }, said.slice(start, start + GROUP).map((one, place) => square(one, start + place))));
  }
  const onclick = (event) => {
    const bit = event.target.dataset?.bit;
    if (bit !== undefined) go({ view: "bit", bit: Number(bit) + 1 });
  };
  return make("span", { class: "squares", role: "img", "aria-label": alternative, onclick: state ? onclick : undefined }, groups);
}

function numberSquares(said, name) {
  const most = Math.max(...said.map((one) => Math.abs(one.value)), 1e-9);
  const signed = (value) => (value < 0 ? "−" : "+") + Math.abs(value).toFixed(2);
  const text = said.map((one) => signed(one.value)).join(" ");
  const square = (one, place) => make("span", {
    class: one.value < 0 ? "number below" : "number",
    style: { "--p": (Math.abs(one.value) / most).toFixed(3) },
    title: `${name}, number ${place + 1}`,
  }, signed(one.value));
  return make("span", { class: "squares numbers", role: "img", "aria-label": `${name}: ${text}` }, said.map(square));
}
