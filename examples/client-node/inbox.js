// Follows a user's inbox, notifies the user, and reads what comes.
//
//   BELFRY_URL=http://127.0.0.1:3000 BELFRY_API_KEY=… node examples/client-node/inbox.js alex

import { BelfryClient, BelfryClientError } from "belfry/client";

const [user = "alex"] = process.argv.slice(2);
const { BELFRY_URL: server = "http://127.0.0.1:3000", BELFRY_API_KEY: apiKey } = process.env;
const client = new BelfryClient({ server, user, ...(apiKey && { apiKey }) });

/** @type {string | undefined} */
let sent;
const live = client.live({
  onChange(view) {
    const { connection, unread, total, error } = view;
    console.log(`${connection}: ${unread} unread of ${total}`);
    if (connection === "refused") fail(error);
    else look(view);
  },
});

try {
  const { notifications } = await client.notify({ recipients: [user], type: "new_message", title: "Hello" });
  sent = notifications[0]?.id;
  // It may be here before its answer is.
  look(live.view);
} catch (error) {
  fail(error);
}

/** @param {import("belfry/client").LiveView} view */
function look({ items }) {
  const item = items.find((one) => one.id === sent);
  if (item?.read) live.close();
  else if (item) client.inbox.read(item.id).catch(fail);
}

/** @param {unknown} error */
function fail(error) {
  console.error(error instanceof BelfryClientError ? `${error.code}: ${error.message}` : error);
  process.exitCode = 1;
  live.close();
}
