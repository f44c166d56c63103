// Senders or keywords as rows: who, how many, when, day by day, and the latest pictures.

const lists = new WeakMap();
const MILLISECONDS_A_DAY = 86400000;

export default function draw({ data, parentElement, setTriggerValue }) {
  const root = parentElement.querySelector(".root");
  const drawnFrom = JSON.stringify(data);
  if (lists.get(root) === drawnFrom) return;
  lists.set(root, drawnFrom);
  const list = element("ul");
  list.setAttribute("role", "list");
  list.setAttribute("aria-label", data.label);
  list.append(...data.rows.map((row) => drawRow(row, setTriggerValue)));
  root.replaceChildren(list);
}

function drawRow(row, setTriggerValue) {
  const node = element("li");
  const who = element("div", "who");
  const link = element("a", "", row.title);
  link.href = ownLink(row.href);
  who.append(link);
  if (row.note) who.append(element("span", "note", row.note));
  const count = element("div", "count");
  count.append(element("b", "", number(row.messages)), element("span", "", row.messages === 1 ? "message" : "messages"));
  const when = element("div", "when");
  when.append(labelled("First", row.first), labelled("Last", row.last));
  node.append(who, count, when, drawDays(row), drawPictures(row));
  if (row.may_name) node.append(drawNaming(row, setTriggerValue));
  return node;
}

function labelled(label, iso) {
  const line = element("span");
  line.append(element("i", "", label), moment(iso));
  return line;
}

function drawDays(row) {
  const days = element("div", "days");
  const most = Math.max(...row.days, 1);
  const all = row.days.reduce((sum, day) => sum + day, 0);
  const first = new Date(Date.now() - (row.days.length - 1) * MILLISECONDS_A_DAY);
  const svg = drawn("svg", { viewBox: `0 0 ${row.days.length * 4} 28`, preserveAspectRatio: "none", role: "img" });
  const said = `${counted(all, "message")} in the last ${row.days.length} days, at most ${number(most)} on one`;
  svg.setAttribute("aria-label", all ? said : `No message in the last ${row.days.length} days`);
  row.days.forEach((day, at) => {
    const height = day ? Math.max(2, (day / most) * 28) : 1;
    const bar = drawn("rect", { x: at * 4, y: 28 - height, width: 3, height, class: day ? "some" : "none" });
    const told = drawn("title", {});
    told.textContent = `${DAY.format(new Date(first.getTime() + at * MILLISECONDS_A_DAY))}: ${counted(day, "message")}`;
    bar.append(told);
    svg.append(bar);
  });
  days.append(svg);
  return days;
}

function drawPictures(row) {
  const pictures = element("div", "pictures");
  for (const source of row.pictures) {
    const image = element("img");
    image.alt = "";
    image.loading = "lazy";
    image.decoding = "async";
    image.addEventListener("error", () => image.remove());
    image.src = ownLink(source);
    pictures.append(image);
  }
  return pictures;
}

function drawNaming(row, setTriggerValue) {
  const button = element("button", "", row.named ? "Rename" : "Name");
  button.type = "button";
  button.setAttribute("aria-label", `${row.named ? "Rename" : "Name"} ${row.title}`);
  button.addEventListener("click", () => setTriggerValue("name", row.key));
  return button;
}

function ownLink(address) {
  return /^(files\/|\.\/\?)/.test(address) ? address : "";
}
