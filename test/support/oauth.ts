import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { onTestFinished } from "vitest";
import type { SmtpBehaviour } from "./smtp.ts";

/** A token server, and the behaviour of a mail server that takes `login` with one of the `valid` tokens (XOAUTH2). */
export async function startOAuth(
  login: string,
  answer: (form: URLSearchParams) => { status: number; json: object },
) {
  const asked: URLSearchParams[] = [];
  const tokens = createServer(async (request, response) => {
    let body = "";
    for await (const chunk of request) body += chunk;
    asked.push(new URLSearchParams(body));
    const { status, json } = answer(asked.at(-1) as URLSearchParams);
    response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(json));
  });
  tokens.listen(0, "127.0.0.1");
  await once(tokens, "listening");
  onTestFinished(() => void tokens.close());
  const valid = new Set<string>();
  /** The tokens that the mail server was shown. */
  const shown: string[] = [];
  const behaviour: SmtpBehaviour = {
    options: {
      authOptional: false,
      allowInsecureAuth: true,
      authMethods: ["XOAUTH2"],
      onAuth(auth, _session, callback) {
        shown.push(auth.accessToken ?? "");
        if (auth.username === login && valid.has(auth.accessToken ?? ""))
          callback(null, { user: auth.username });
        else callback(null, { data: { status: "401" } } as never);
      },
    },
  };
  const tokenUrl = `http://127.0.0.1:${(tokens.address() as AddressInfo).port}/token`;
  return { asked, valid, shown, behaviour, tokenUrl };
}
