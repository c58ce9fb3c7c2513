// The start page: send a notification, and watch what a user was told.
const form = document.querySelector("#send");
const said = document.querySelector("#said");
const list = document.querySelector("#list");
const key = document.querySelector("#key");

async function call(path, init = {}) {
  const headers = { "content-type": "application/json" };
  const secret = form.elements.key.value;
  if (secret) headers.authorization = `Bearer ${secret}`;
  const response = await fetch(path, { ...init, headers });
  if (response.status === 401) key.hidden = false;
  const body = await response.json();
  if (!response.ok)
    throw Object.assign(new Error(body.error ?? response.statusText), { status: response.status });
  return body;
}

function say(text, isBad = false) {
  said.textContent = text;
  said.className = isBad ? "bad" : "";
}

function row({ notification_type, content, status, timestamp }) {
  const item = document.createElement("li");
  const add = (tag, className, text) => {
    const element = document.createElement(tag);
    element.className = className;
    element.textContent = text;
    item.append(element);
  };
  add("span", "kind", notification_type);
  add("span", "", content);
  add("span", status, status);
  add("small", "", new Date(timestamp.$date).toLocaleString());
  return item;
}

let shown = "";
async function show() {
  const user = form.elements.user_id.value;
  document.querySelector("#who").textContent = user || "…";
  if (!user) return;
  let data = [];
  const stale = () => form.elements.user_id.value !== user;
  try {
    ({ data } = await call(`/users/${encodeURIComponent(user)}/notifications`));
  } catch (error) {
    // 400 is the contract's word for "none".
    if (error.status !== 400)
      return say(
        error.status === 401 ? "This server asks for an API key." : `No answer: ${error.message}`,
        true,
      );
  }
  if (stale()) return;
  document.querySelector("#nothing").hidden = data.length > 0;
  const now = JSON.stringify(data);
  if (now === shown) return;
  shown = now;
  list.replaceChildren(...data.slice(0, 100).map(row));
}

form.addEventListener("submit", async (event) => {
  event.preventDefault();
  const { user_id, notification_type, content } = form.elements;
  const body = {
    user_id: user_id.valueAsNumber,
    notification_type: notification_type.value,
    content: content.value,
  };
  try {
    const { message } = await call("/notifications", { method: "POST", body: JSON.stringify(body) });
    say(`${message}.`);
  } catch (error) {
    say(error.message, true);
  }
  await show();
});
form.elements.user_id.addEventListener("input", show);
form.elements.key.addEventListener("change", show);
setInterval(() => !document.hidden && show(), 2000);
show();
