import type { Forms } from "./public.d.ts";

/** Everything the tag says by itself. */
export type Texts = typeof english;

const english = {
  title: "Notifications",
  unread: { one: "{n} unread", other: "{n} unread" } as Forms,
  arrived: { one: "{n} new notification", other: "{n} new notifications" } as Forms,
  isUnread: "Unread:",
  show: "Show",
  filterAll: "All",
  filterUnread: "Unread",
  filterArchived: "Archive",
  readAll: "Mark all as read",
  read: "Mark as read",
  markUnread: "Mark as unread",
  archive: "Archive",
  unarchive: "Take out of the archive",
  remove: "Delete",
  more: "Show all of it",
  less: "Show less",
  close: "Close",
  notifyOn: "Also tell me when I am on another page",
  notifyOff: "Stop telling me on other pages",
  notifyBlocked: "The browser blocks notifications from this site. Allow them in the browser’s settings.",
  emptyAll: "Nothing here yet. What comes will show up by itself.",
  emptyUnread: "You have read everything.",
  emptyArchived: "Nothing in the archive.",
  loading: "Loading…",
  slow: "The service is slow to answer. Your notifications will show up here as soon as it does.",
  offline: "You are offline. What is new will come once you are back.",
  reconnecting: "The connection was lost and is being restored. What you see may be out of date.",
  unreachable: "The service cannot be reached. It is tried again by itself; check your connection.",
  busy: "Too many requests or open pages. It goes on by itself; closing other tabs helps.",
  later: "The service has asked for a pause. It goes on by itself at {time}.",
  broken: "The service has a fault. It is tried again by itself, and nothing is lost.",
  signedOut: "Your sign-in has ended. Reload the page, or sign in again.",
  noToken:
    "Your sign-in could not be renewed. It is tried again by itself; reload the page if that does not help.",
  forbidden: "This inbox is somebody else’s. Sign in as its owner.",
  notFound: "There is no notification service at this address. Tell whoever runs this page.",
  noUser: "Whose inbox is it? The page has to say so with the attribute “user”.",
  failed: "Something went wrong ({code}). Try again.",
  notDone: "That was not done.",
  again: "Try it again in a moment.",
  retry: "Try again",
  clock: "This device’s clock is off by {time}. The times here are the service’s.",
};

export type GivenTexts = Record<string, string | Forms>;

const russian: Texts = {
  title: "Уведомления",
  unread: { one: "{n} новое", few: "{n} новых", many: "{n} новых", other: "{n} нового" },
  arrived: {
    one: "{n} новое уведомление",
    few: "{n} новых уведомления",
    many: "{n} новых уведомлений",
    other: "{n} нового уведомления",
  },
  isUnread: "Не прочитано:",
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
  more: "Показать целиком",
  less: "Свернуть",
  close: "Закрыть",
  notifyOn: "Сообщать и тогда, когда открыта другая страница",
  notifyOff: "Не сообщать на других страницах",
  notifyBlocked: "Браузер не показывает уведомления этого сайта. Разрешите их в настройках браузера.",
  emptyAll: "Пока ничего нет. Новое появится здесь само.",
  emptyUnread: "Всё прочитано.",
  emptyArchived: "В архиве пусто.",
  loading: "Загрузка…",
  slow: "Сервис отвечает медленно. Уведомления появятся, как только он ответит.",
  offline: "Нет сети. Новое придёт, когда она появится.",
  reconnecting: "Связь прервалась и восстанавливается. Показанное могло устареть.",
  unreachable: "Сервис недоступен. Попытки продолжаются сами; проверьте подключение.",
  busy: "Слишком много запросов или открытых страниц. Всё продолжится само; закройте лишние вкладки.",
  later: "Сервис просит подождать. Всё продолжится само в {time}.",
  broken: "В сервисе сбой. Попытки продолжаются сами, ничего не потеряно.",
  signedOut: "Вход больше не действует. Обновите страницу или войдите снова.",
  noToken: "Не удалось продлить вход. Попытки продолжаются сами; если не поможет, обновите страницу.",
  forbidden: "Это чужие уведомления. Войдите под своим именем.",
  notFound: "По этому адресу нет сервиса уведомлений. Сообщите владельцу страницы.",
  noUser: "Чьи это уведомления? Страница должна указать это атрибутом «user».",
  failed: "Что-то пошло не так ({code}). Попробуйте ещё раз.",
  notDone: "Не выполнено.",
  again: "Попробуйте ещё раз чуть позже.",
  retry: "Повторить",
  clock: "Часы устройства расходятся на {time}. Время здесь — по часам сервиса.",
};

const known: Record<string, Texts> = { en: english, ru: russian };

/**
 * The texts of a locale's language, else English, with those in place of them that the page gives. `language`: the locale
 * by whose rules plurals are chosen.
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
