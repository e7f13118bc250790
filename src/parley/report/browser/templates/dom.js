// Making elements. Text from outside only ever becomes text: nothing here parses markup.

function make(tag, attributes, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes ?? {})) {
    if (value === undefined || value === null || value === false) continue;
    if (name === "style") for (const [property, set] of Object.entries(value)) node.style.setProperty(property, set);
    else if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else node.setAttribute(name, value === true ? "" : String(value));
  }
  node.append(...children.flat(3).filter((child) => child !== undefined && child !== null && child !== false));
  return node;
}

// A name from outside, kept from turning the direction of what stands around it.
function named(text) {
  return make("bdi", {}, text);
}

// Text that is there for who hears the page, and not for who sees it.
function heard(text) {
  return make("span", { class: "heard" }, text);
}

function byId(id) {
  return document.getElementById(id);
}

function share(value) {
  return value.toFixed(3);
}

function counted(number, noun) {
  const plural = noun + (/(s|ch)$/.test(noun) ? "es" : "s");
  return `${number.toLocaleString("en")} ${number === 1 ? noun : plural}`;
}
