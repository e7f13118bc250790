// Functions that create elements. Text from the data is always inserted as text and never parsed as HTML.

function make(tag, attributes, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes ?? {})) {
    if (value === undefined || value === null || value === false) continue;
    if (name === "style") for (const [property, setting] of Object.entries(value)) node.style.setProperty(property, setting);
    else if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else node.setAttribute(name, value === true ? "" : String(value));
  }
  node.append(...children.flat(3).filter((child) => child !== undefined && child !== null && child !== false));
  return node;
}

// Return an element with a name, in which right-to-left text does not reorder the text around it.
function isolated(text) {
  return make("bdi", {}, text);
}

// Return an element with text that is read by screen readers but not visible.
function screenReaderOnly(text) {
  return make("span", { class: "visually-hidden" }, text);
}

function byId(id) {
  return document.getElementById(id);
}

function threeDecimals(value) {
  return value.toFixed(3);
}

function counted(number, noun) {
  const plural = noun + (/(s|ch)$/.test(noun) ? "es" : "s");
  return `${number.toLocaleString("en")} ${number === 1 ? noun : plural}`;
}
