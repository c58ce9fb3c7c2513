/** All texts of the tag. */
export type Texts = typeof english;

const english = {
  title: "Notification settings",
  others: "Other notifications",
  details: "In detail",
  locked: "Always on",
  lockedOff: "Always off",
  inbox: "Inbox",
  email: "E-mail",
  sms: "SMS",
  webhook: "Webhook",
  push: "Push",
  chat: "Chat",
  pause: "Pause",
  pauseText: "Nothing is sent during a pause. New notifications still appear in the inbox.",
  pausedUntil: "Paused until {time}.",
  hour: "For an hour",
  tomorrow: "Until tomorrow",
  week: "For a week",
  resume: "Resume now",
  quiet: "Quiet hours",
  quietText: "Messages wait until quiet hours end. Urgent ones are sent at once.",
  quietOn: "Use quiet hours",
  from: "From",
  to: "To",
  zone: "Time zone: {zone}",
  more: "Your app has set more quiet hours than are shown here. A change here replaces them.",
  loading: "Loading…",
  saved: "Saved.",
  notDone: "That did not work. Try again in a moment.",
  unreachable: "The service cannot be reached. Check your connection.",
  signedOut: "Your session has expired. Reload the page or sign in again.",
  forbidden: "You have no access to these settings. Sign in as their owner.",
  origin: "The notification service does not accept this site. Contact the site’s owner.",
  isLocked: "This setting cannot be changed.",
  sameTimes: "Quiet hours must end at another time than they begin.",
  noUser: "No user given: set the attribute “user”.",
  empty: "There is nothing to choose.",
  retry: "Try again",
};

const russian: Texts = {
  title: "Настройки уведомлений",
  others: "Другие уведомления",
  details: "Подробнее",
  locked: "Всегда включено",
  lockedOff: "Всегда выключено",
  inbox: "Входящие",
  email: "Почта",
  sms: "SMS",
  webhook: "Вебхук",
  push: "Push",
  chat: "Чат",
  pause: "Пауза",
  pauseText: "Во время паузы ничего не отправляется. Новые уведомления появляются во входящих.",
  pausedUntil: "Пауза до {time}.",
  hour: "На час",
  tomorrow: "До завтра",
  week: "На неделю",
  resume: "Возобновить",
  quiet: "Тихие часы",
  quietText: "Сообщения ждут конца тихих часов. Срочные отправляются сразу.",
  quietOn: "Включить тихие часы",
  from: "С",
  to: "До",
  zone: "Часовой пояс: {zone}",
  more: "Приложение задало больше тихих часов, чем показано. Изменение здесь заменит их.",
  loading: "Загрузка…",
  saved: "Сохранено.",
  notDone: "Не получилось. Попробуйте ещё раз чуть позже.",
  unreachable: "Сервис недоступен. Проверьте подключение.",
  signedOut: "Сеанс истёк. Обновите страницу или войдите снова.",
  forbidden: "Нет доступа к этим настройкам. Войдите под именем их владельца.",
  origin: "Сервис уведомлений не принимает этот сайт. Сообщите владельцу сайта.",
  isLocked: "Эту настройку нельзя изменить.",
  sameTimes: "Тихие часы должны заканчиваться не тогда, когда начинаются.",
  noUser: "Не указан пользователь: задайте атрибут «user».",
  empty: "Выбирать нечего.",
  retry: "Повторить",
};

const known: Record<string, Texts> = { en: english, ru: russian };

/** The texts of a locale's language, else English, with the page's own in place of them. */
export function textsFor(tag: string, given: Record<string, unknown> | undefined): Texts {
  const texts = { ...(known[tag.split("-", 1)[0] as string] ?? english) };
  for (const [name, text] of Object.entries(given ?? {}))
    if (name in texts && typeof text === "string") Object.assign(texts, { [name]: text });
  return texts;
}
