import { BelfryClient } from "belfry/client";

const { server, user } = await (await fetch("/me")).json();
const client = new BelfryClient({
  server,
  user,
  getToken: async () => (await fetch("/token", { method: "POST" })).text(),
});

/** @param {string} id */
const element = (id) => /** @type {HTMLElement} */ (document.getElementById(id));

client.live({
  onChange({ items, unread, connection, error }) {
    element("unread").textContent = String(unread);
    element("connection").textContent = error ? `${connection}: ${error.message}` : connection;
    element("items").replaceChildren(
      ...items
        .filter((item) => !item.archived)
        .map((item) => {
          const line = document.createElement("li");
          line.textContent = item.title ?? item.type;
          const button = document.createElement("button");
          button.textContent = item.read ? "Unread" : "Read";
          button.onclick = () => client.inbox[item.read ? "unread" : "read"](item.id);
          line.append(" ", button);
          return line;
        }),
    );
  },
});
