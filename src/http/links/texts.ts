import { canonicalLocale, fallbacksOf } from "../../model/locale.ts";
import type { Category } from "../../model/preferences.ts";

/** The texts of the pages; `{name}` is the kind of e-mails. */
export type Texts = typeof english;

const english = {
  ask: { title: "Unsubscribe", text: "Stop e-mails of the kind “{name}”?" },
  off: {
    title: "You are unsubscribed",
    text: "You will get no more e-mails of the kind “{name}”. One that is on its way may still arrive.",
  },
  on: { title: "You are subscribed again", text: "You will get e-mails of the kind “{name}” again." },
  locked: {
    title: "These e-mails cannot be turned off",
    text: "E-mails of the kind “{name}” are a part of the service.",
  },
  invalid: {
    title: "This link is not valid",
    text: "Perhaps it was cut off. Open the newest e-mail and use the link there.",
  },
  failed: { title: "Please try again", text: "That did not work. Try again in a moment." },
  unsubscribe: "Unsubscribe",
  undo: "Undo",
  preferences: "Choose what you receive",
  title: "Notifications",
  save: "Save",
  saved: "Saved.",
  all: "All",
  single: "Single kinds",
  other: "Other",
  channels: { inbox: "Inbox", email: "E-mail", sms: "SMS", webhook: "Webhook" } as Record<string, string>,
  choices: {
    true: "On",
    false: "Off",
    hourly: "Hourly",
    daily: "Daily",
    weekly: "Weekly",
  } as Record<string, string>,
};

const russian: Texts = {
  ask: { title: "Отписаться", text: "Больше не присылать письма «{name}»?" },
  off: {
    title: "Вы отписались",
    text: "Писем «{name}» больше не будет. То, что уже в пути, ещё может прийти.",
  },
  on: { title: "Вы снова подписаны", text: "Вы снова будете получать письма «{name}»." },
  locked: { title: "Эти письма нельзя отключить", text: "Письма «{name}» нужны для работы сервиса." },
  invalid: {
    title: "Ссылка не работает",
    text: "Возможно, она скопирована не полностью. Откройте самое новое письмо и воспользуйтесь ссылкой в нём.",
  },
  failed: { title: "Попробуйте ещё раз", text: "Не получилось. Повторите чуть позже." },
  unsubscribe: "Отписаться",
  undo: "Вернуть",
  preferences: "Выбрать, что получать",
  title: "Уведомления",
  save: "Сохранить",
  saved: "Сохранено.",
  all: "Все",
  single: "По отдельности",
  other: "Прочее",
  channels: { inbox: "Входящие", email: "Почта", sms: "SMS", webhook: "Вебхук" },
  choices: { true: "Вкл.", false: "Выкл.", hourly: "Раз в час", daily: "Раз в день", weekly: "Раз в неделю" },
};

const known: Record<string, Texts> = { en: english, ru: russian };

/** The language of a page, and of the labels on it. */
export interface Language {
  tag: string;
  texts: Texts;
  /** The label in the best language that it has. */
  label(label: NonNullable<Category["label"]>): string;
}

/** The user's own locale comes first, then what the browser asks for, then English. */
export function languageFor(locale: string | undefined, acceptLanguage = ""): Language {
  const wanted = [...(locale === undefined ? [] : [locale]), ...accepted(acceptLanguage), "en"];
  const tags = [...new Set(wanted.flatMap(fallbacksOf))];
  const tag = tags.find((one) => Object.hasOwn(known, one)) as string;
  return {
    tag,
    texts: known[tag] as Texts,
    label(label) {
      if (typeof label === "string") return label;
      const entries = Object.entries(label);
      const found = tags.flatMap((one) => entries.filter(([name]) => canonicalLocale(name) === one))[0];
      return (found ?? entries[0])?.[1] ?? "";
    },
  };
}

/** The languages of `Accept-Language` (RFC 9110, 12.5.4), best first. */
const accepted = (header: string): string[] =>
  header
    .slice(0, 1_000)
    .split(",")
    .flatMap((one) => {
      const [, tag, weight = "1"] = /^\s*([\w-]+)\s*(?:;\s*q\s*=\s*([\d.]+)\s*)?$/.exec(one) ?? [];
      return tag !== undefined && Number(weight) > 0 ? [{ tag, weight: Number(weight) }] : [];
    })
    .sort((a, b) => b.weight - a.weight)
    .map(({ tag }) => tag);
