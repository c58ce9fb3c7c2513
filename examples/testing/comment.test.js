// A program's own tests of its notifications: an escalation takes an hour, and its test some milliseconds. DB_URI names a
// database that the tests may drop. Without it a MongoDB is started for them.
//
//   node --test examples/testing/comment.test.js

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { after, before, beforeEach, test } from "node:test";
import { createTestBelfry, startTestMongod } from "belfry/testing";
import { MongoClient } from "mongodb";

const types = JSON.parse(readFileSync(new URL("types.json", import.meta.url), "utf8"));
/** @type {{ uri: string, close?: () => Promise<void> }} */
let mongod;
/** @type {MongoClient} */
let client;
/** @type {import("belfry/testing").TestBelfry} */
let belfry;

/**
 * The program under test.
 * @param {import("belfry").Belfry} notifier
 * @param {string} author
 */
function comment(notifier, author) {
  return notifier.notify({ user: "alex", type: "comment", data: { author } });
}

before(async () => {
  const { DB_URI: uri } = process.env;
  mongod = uri === undefined ? await startTestMongod() : { uri };
  client = new MongoClient(mongod.uri);
});
beforeEach(async () => {
  await belfry?.close();
  await client.db().dropDatabase();
  /** @type {import("mongodb").Collection<{ _id: string, email: string, phone: string, timeZone: string }>} */
  const users = client.db().collection("users");
  await users.insertOne({
    _id: "alex",
    email: "alex@example.com",
    phone: "+12025550123",
    timeZone: "Europe/Berlin",
  });
  belfry = await createTestBelfry({ client, types, start: "2026-03-02T09:00:00+01:00" });
});
after(async () => {
  await belfry.close();
  await client.close();
  await mongod.close?.();
});

test("an unread comment is mailed after 15 minutes", async () => {
  await comment(belfry, "Bob");
  await belfry.advance("14m");
  belfry.nothingSent();

  await belfry.advance("3d");
  const [mail, ...more] = belfry.sentTo("alex", "comment");
  assert.equal(mail?.channel, "email");
  assert.equal(mail.to, "alex@example.com");
  assert.equal(mail.subject, "Bob replied to you");
  assert.equal(mail.at, "2026-03-02T08:15:00.000Z");
  assert.deepEqual(more, []);
});

test("when the mail fails, a text message follows an hour after the comment", async () => {
  belfry.setProvider("email", "refuses");
  await comment(belfry, "Bob");
  await belfry.advance("3d");
  const sent = belfry.sentTo("alex").map(({ channel, text, at }) => ({ channel, text, at }));
  assert.deepEqual(sent, [{ channel: "sms", text: "Bob replied to you", at: "2026-03-02T09:00:00.000Z" }]);
});

test("nothing is sent once the comment was read", async () => {
  const { id } = await comment(belfry, "Bob");
  await belfry.advance("10m");
  await belfry.inbox.read("alex", id);
  await belfry.advance("3d");
  belfry.nothingSent("alex");
});
