import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import type { Core } from "../../core/core.ts";
import { inWords } from "../../core/in-words.ts";
import type { PreferenceCell, PreferencesAnswer } from "../../core/preference-schemas.ts";
import { type KnownPreferences, withChoice } from "../../core/preferences.ts";
import { choiceFrom, type Preferences } from "../../model/preferences.ts";
import type { LinkRouteParts } from "./index.ts";
import { type Html, html } from "./page.ts";
import type { Language } from "./texts.ts";

type Params = { Params: { token: string }; Body: URLSearchParams | null };
type Group = PreferencesAnswer["categories"][number];

const path = "/p/:token";
const script = "/preferences.js";

/**
 * A user's preferences without a login. The form works without a script. Where there is one, the tag takes its place and
 * calls the API with the token.
 */
export function preferencePageRoutes(
  app: FastifyInstance,
  { links, pages, countChange, core }: LinkRouteParts & { core: Pick<Core, "preferences"> },
): void {
  const options = { config: { public: true }, schema: { hide: true } };

  app.get<Params>(path, options, async (request, reply) => {
    const user = userOf(request);
    const found = user === undefined ? undefined : await core.preferences.showKnown(user);
    return found ? page(request, reply, found) : pages.invalid(request, reply);
  });

  app.post<Params>(path, options, async (request, reply) => {
    const user = userOf(request);
    if (user === undefined) return pages.invalid(request, reply);
    countChange(user);
    const changes = changesIn(request.body ?? new URLSearchParams());
    const found = await core.preferences.changeKnown(user, (stored) =>
      changes.reduce((next, change) => withChoice(next, change) as Preferences, stored),
    );
    return found ? page(request, reply, found, true) : pages.invalid(request, reply);
  });

  function userOf({ params }: FastifyRequest<Params>): string | undefined {
    const link = links.read(params.token);
    return link?.purpose === "preferences" ? link.user : undefined;
  }

  function page(
    request: FastifyRequest<Params>,
    reply: FastifyReply,
    { categories, locale }: KnownPreferences,
    isSaved = false,
  ) {
    const hasScript = app.hasRoute({ method: "GET", url: script });
    return pages.show(request, reply, locale, (language) => {
      const form = html`${isSaved ? html`<p role="status">${language.texts.saved}</p>` : undefined}
<form method="post">
${categories.map((group) => fieldset(language, group))}
<button>${language.texts.save}</button>
</form>`;
      const { token } = request.params;
      return {
        title: language.texts.title,
        body: hasScript
          ? html`<belfry-preferences user="${userOf(request)}" token="${token}">${form}</belfry-preferences>`
          : form,
        ...(hasScript && { script: `..${script}` }),
      };
    });
  }
}

function fieldset(language: Language, { category, label, cells, types }: Group): Html {
  const { texts } = language;
  const name = category === undefined ? texts.other : language.label(label ?? inWords(category));
  const kinds = types.map((one) =>
    row(texts, one.description ?? inWords(one.type), `types:${one.type}`, one.cells),
  );
  // A choice for one type wins over the category's, so it must be seen.
  const differs = types.some((one) => Object.values(one.cells).some(({ from }) => from.startsWith("types.")));
  const details = html`<details${differs ? { html: " open" } : undefined}><summary>${texts.single}</summary>${kinds}</details>`;
  return html`<fieldset>
<legend>${name}</legend>
${category === undefined ? kinds : row(texts, texts.all, `categories:${category}`, cells)}
${category !== undefined && (types.length > 1 || differs) ? details : undefined}
</fieldset>
`;
}

function row(texts: Language["texts"], name: string, path: string, cells: Group["cells"]): Html {
  const selects = Object.entries(cells).map(([channel, cell]) =>
    select(texts, name, `${path}:${channel}`, channel, cell),
  );
  return html`<div class="row"><span>${name}</span>${selects}</div>
`;
}

/** The field's name holds the choice that is shown, so that only what the reader changes is set. */
function select(
  texts: Language["texts"],
  row: string,
  path: string,
  channel: string,
  { value, locked, options }: PreferenceCell,
): Html {
  const channelName = texts.channels[channel] ?? channel;
  const choices = options.map(
    (one) =>
      html`<option value="${String(one)}"${one === value ? { html: " selected" } : undefined}>${texts.choices[String(one)] ?? String(one)}</option>`,
  );
  return html`<label>${channelName} <select name="${`${path}:${String(value)}`}" aria-label="${`${row}: ${channelName}`}"${
    locked === undefined ? undefined : { html: " disabled" }
  }>${choices}</select></label>`;
}

/** The fields that the reader has changed. Anything else in the form is ignored. */
function changesIn(form: URLSearchParams): Array<Parameters<typeof withChoice>[1]> {
  const changes = [...form].flatMap(([name, text]) => {
    const [kind, key, channel, shown] = name.split(":") as [string, string?, string?, string?];
    const value = choiceFrom(text);
    if (kind !== "categories" && kind !== "types") return [];
    if (key === undefined || channel === undefined || value === undefined || text === shown) return [];
    return [{ kind, key, channel, value } as const];
  });
  return changes.slice(0, mostChanges);
}

/** Each copies the preferences. */
const mostChanges = 200;
