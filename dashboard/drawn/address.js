// An address with a secret in it: hidden until it is asked for, and copied whole.

const shown = new WeakMap();

export default function draw({ data, parentElement }) {
  const root = parentElement.querySelector(".root");
  if (shown.get(root) === data.whole) return;
  shown.set(root, data.whole);
  const field = element("code", "", data.hidden);
  field.setAttribute("role", "textbox");
  field.setAttribute("aria-readonly", "true");
  field.setAttribute("aria-label", data.label);
  field.tabIndex = 0;
  const said = element("span", "said");
  said.setAttribute("role", "status");
  root.replaceChildren(field, reveal(field, data), copy(field, data, said), said);
}

function reveal(field, data) {
  const button = element("button", "", "Show");
  button.type = "button";
  button.addEventListener("click", () => {
    const isHidden = field.textContent === data.hidden;
    field.textContent = isHidden ? data.whole : data.hidden;
    button.textContent = isHidden ? "Hide" : "Show";
  });
  return button;
}

function copy(field, data, said) {
  const button = element("button", "first", "Copy");
  button.type = "button";
  button.addEventListener("click", async () => {
    try {
      await navigator.clipboard.writeText(data.whole);
      said.textContent = "Copied";
    } catch {
      // Browsers keep the clipboard from pages without TLS: selected, it is one key away.
      field.textContent = data.whole;
      window.getSelection().selectAllChildren(field);
      said.textContent = "Press Ctrl+C to copy";
    }
  });
  return button;
}
