import type { Forms } from "./public.d.ts";

/** All texts of the tag. */
export type Texts = typeof english;

const english = {
  title: "Notifications",
  unseen: { one: "{n} new", other: "{n} new" } as Forms,
  unread: { one: "{n} unread", other: "{n} unread" } as Forms,
  arrived: { one: "{n} new notification", other: "{n} new notifications" } as Forms,
  isUnseen: "New",
  isUnread: "Unread:",
  others: { one: "{name} and {n} other", other: "{name} and {n} others" } as Forms,
  grouped: { one: "{n} notification", other: "{n} notifications" } as Forms,
  show: "Show",
  filterAll: "All",
  filterUnread: "Unread",
  filterArchived: "Archive",
  readAll: "Mark all as read",
  read: "Mark as read",
  markUnread: "Mark as unread",
  archive: "Archive",
  unarchive: "Move to inbox",
  remove: "Delete",
  removed: "Deleted:",
  undo: "Undo",
  more: "Show more",
  less: "Show less",
  close: "Close",
  preferences: "Notification settings",
  back: "Back to notifications",
  notifyOn: "Show desktop notifications",
  notifyOff: "Stop desktop notifications",
  notifyBlocked: "Your browser blocks notifications from this site. Allow them in its settings.",
  emptyAll: "No notifications yet.",
  emptyUnread: "You have read everything.",
  emptyArchived: "The archive is empty.",
  loading: "Loading…",
  slow: "The service is slow to answer. Still trying…",
  offline: "You are offline. New notifications will appear when you are back online.",
  reconnecting: "Reconnecting… This list may be out of date.",
  unreachable: "The service cannot be reached. Check your connection. Trying again…",
  busy: "Too many requests or open tabs. Trying again… Closing other tabs helps.",
  later: "The service is busy. Next try at {time}.",
  broken: "The service has a problem. Nothing is lost. Trying again…",
  signedOut: "Your session has expired. Reload the page or sign in again.",
  noToken: "Your sign-in could not be confirmed. Trying again… If this continues, reload the page.",
  forbidden: "You have no access to this inbox. Sign in as its owner.",
  origin: "The notification service does not accept this site. Contact the site’s owner.",
  notFound: "There is no notification service at this address. Contact the site’s owner.",
  noUser: "No user given: set the attribute “user”.",
  failed: "Something went wrong ({code}). Try again.",
  notDone: "That did not work.",
  again: "Try again in a moment.",
  retry: "Try again",
  clock: "This device’s clock is off by {time}. The times shown are the service’s.",
};

export type GivenTexts = Record<string, string | Forms>;

const russian: Texts = {
  title: "Уведомления",
  unseen: { one: "{n} новое", few: "{n} новых", many: "{n} новых", other: "{n} нового" },
  unread: {
    one: "{n} непрочитанное",
    few: "{n} непрочитанных",
    many: "{n} непрочитанных",
    other: "{n} непрочитанного",
  },
  arrived: {
    one: "{n} новое уведомление",
    few: "{n} новых уведомления",
    many: "{n} новых уведомлений",
    other: "{n} нового уведомления",
  },
  isUnseen: "Новое",
  isUnread: "Не прочитано:",
  others: {
    one: "{name} и ещё {n} человек",
    few: "{name} и ещё {n} человека",
    many: "{name} и ещё {n} человек",
    other: "{name} и ещё {n} человека",
  },
  grouped: {
    one: "{n} уведомление",
    few: "{n} уведомления",
    many: "{n} уведомлений",
    other: "{n} уведомления",
  },
  show: "Показать",
  filterAll: "Все",
  filterUnread: "Непрочитанные",
  filterArchived: "Архив",
  readAll: "Прочитать все",
  read: "Отметить прочитанным",
  markUnread: "Отметить непрочитанным",
  archive: "В архив",
  unarchive: "Вернуть из архива",
  remove: "Удалить",
  removed: "Удалено:",
  undo: "Отменить",
  more: "Показать целиком",
  less: "Свернуть",
  close: "Закрыть",
  preferences: "Настройки уведомлений",
  back: "Назад к уведомлениям",
  notifyOn: "Показывать уведомления на экране",
  notifyOff: "Не показывать уведомления на экране",
  notifyBlocked: "Браузер блокирует уведомления этого сайта. Разрешите их в его настройках.",
  emptyAll: "Уведомлений пока нет.",
  emptyUnread: "Всё прочитано.",
  emptyArchived: "В архиве пусто.",
  loading: "Загрузка…",
  slow: "Сервис отвечает медленно. Ждём ответа…",
  offline: "Нет сети. Новые уведомления появятся, когда она вернётся.",
  reconnecting: "Восстанавливаем связь… Список мог устареть.",
  unreachable: "Сервис недоступен. Проверьте подключение. Пробуем снова…",
  busy: "Слишком много запросов или вкладок. Пробуем снова… Закройте лишние вкладки.",
  later: "Сервис перегружен. Следующая попытка в {time}.",
  broken: "В сервисе сбой. Ничего не потеряно. Пробуем снова…",
  signedOut: "Сеанс истёк. Обновите страницу или войдите снова.",
  noToken: "Не удалось подтвердить вход. Пробуем снова… Если не поможет, обновите страницу.",
  forbidden: "Нет доступа к этим уведомлениям. Войдите под именем их владельца.",
  origin: "Сервис уведомлений не принимает этот сайт. Сообщите владельцу сайта.",
  notFound: "По этому адресу нет сервиса уведомлений. Сообщите владельцу сайта.",
  noUser: "Не указан пользователь: задайте атрибут «user».",
  failed: "Что-то пошло не так ({code}). Попробуйте ещё раз.",
  notDone: "Не получилось.",
  again: "Попробуйте ещё раз чуть позже.",
  retry: "Повторить",
  clock: "Часы устройства расходятся на {time}. Показано время сервиса.",
};

const known: Record<string, Texts> = { en: english, ru: russian };

/**
 * The texts of a locale's language, else English, with the page's own in place of them. `language`: the locale whose rules
 * choose plurals.
 */
export function textsFor(locale: string, given: GivenTexts | undefined): { texts: Texts; language: string } {
  const own = known[locale.split("-", 1)[0] as string];
  const texts = { ...(own ?? english) };
  for (const [name, text] of Object.entries(given ?? {}))
    if (name in texts && isTextLike(text, texts[name as keyof Texts])) Object.assign(texts, { [name]: text });
  return { texts, language: own || given ? locale : "en" };
}

const isText = (text: unknown): boolean => typeof text === "string";
const isTextLike = (text: unknown, own: string | Forms): boolean =>
  isText(own)
    ? isText(text)
    : isText((text as Forms | null)?.other) && Object.values(text as Forms).every(isText);

export const filled = (text: string, values: Record<string, string>): string =>
  text.replace(/\{(\w+)\}/g, (whole, name: string) => values[name] ?? whole);
