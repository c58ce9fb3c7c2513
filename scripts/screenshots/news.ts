import type { Db } from "mongodb";
import type { Belfry } from "../../src/library.ts";

const minutes = 60;
const hours = 60 * minutes;

/** Newest first. */
const news: Array<{
  age: number;
  type?: string;
  title?: string;
  body?: string;
  url?: string;
  read?: boolean;
}> = [
  {
    age: 4 * minutes,
    title: "Your order 4711 is on its way",
    body: "It left the warehouse this morning and should be with you on Tuesday.",
    url: "/orders/4711",
  },
  {
    age: 38 * minutes,
    title: "Marta wrote to you",
    body: "Are we still on for lunch? I found a place by the canal that has the soup you liked.",
    url: "/messages/88",
  },
  { age: 2 * hours, type: "new_login", body: "Firefox on Linux, in Ghent" },
  {
    age: 5 * hours,
    title: "The autumn programme is out",
    body: "Concerts, readings and the long night of the towers: forty evenings from September to December.",
    read: true,
  },
  { age: 26 * hours, title: "Invoice 2026-118 was paid", body: "€ 240.00, thank you!", read: true },
  {
    age: 50 * hours,
    title: "Ночь башен: запись открыта",
    body: "Сорок вечеров с сентября по декабрь.",
    read: true,
  },
  { age: 75 * hours, title: "مرحبا بك", body: "وصلت رسالة جديدة إليك.", read: true },
  {
    age: 220 * hours,
    title: "The belfry is closed on Thursday from 9 to 11",
    body: "Please keep the stairs free; the rope of the small bell is renewed as well.",
    read: true,
  },
];

/** A user's inbox as it might be. It came at different times, which nobody can wait for. */
export async function fillInbox(db: Db, belfry: Belfry, user: string): Promise<void> {
  for (const { type = "new_message", url, read, age: _, ...said } of news.toReversed()) {
    const data = url ? { data: { url } } : {};
    const { id } = await belfry.notify({ user, type, channels: ["inbox"], ...said, ...data });
    if (read) await belfry.inbox.read(user, id);
  }
  const users = db.collection<{ _id: string; notifications: unknown[] }>("users");
  const had = ((await users.findOne({ _id: user }))?.notifications.length ?? 0) - news.length;
  const at = Math.floor(Date.now() / 1000);
  const times = Object.fromEntries(
    news.map(({ age }, n) => [`notifications.${had + news.length - 1 - n}.timestamp`, at - age]),
  );
  await users.updateOne({ _id: user }, { $set: times });
}

export const evenings = [
  { evening: "Bells at dusk", when: "Friday, 20:00", doors: "19:15", seats: "Row C, 7 and 8" },
  { evening: "Readings by candle", when: "Saturday, 21:00", doors: "20:30", seats: "Row A, 12" },
  { evening: "The long night of the towers", when: "Sunday, 19:00", doors: "18:00", seats: "Standing, 4" },
  { evening: "Songs of the weavers", when: "Tuesday, 20:00", doors: "19:30", seats: "Row F, 1 to 3" },
];

export const guests = ["marta.lindqvist", "jonas.brandt", "noor-a", "vera.sokolova", "kenji.mori"];

/** What a ticket office sends on an afternoon. */
export const mailing = [
  ...evenings.map((data, n) => ({ type: "ticket", recipients: [guests[n]], data })),
  { type: "invoice", recipients: ["jonas.brandt"], data: { number: "2026-118", total: "€ 64.00" } },
  ...evenings.slice(0, 3).map((data, n) => ({ type: "reminder", recipients: [guests[n]], data })),
  {
    type: "new_login",
    recipients: ["vera.sokolova"],
    title: "New sign-in",
    body: "Firefox on Linux, in Ghent.",
  },
  { type: "registration", recipients: ["kenji.mori"], title: "Welcome to the tower" },
  { type: "reminder", recipients: ["noor-a"], data: evenings[3] },
];
