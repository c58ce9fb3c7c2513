import { readConfig } from "../config/load.ts";
import { type Given, integer, userId } from "./arguments.ts";
import { CommandError } from "./session.ts";
import { terminal } from "./terminal.ts";

const maxSeconds = 86_400;

export const token = {
  usage: "token <user>",
  description: "Create a token with which a user's page or app opens the inbox",
  positional: { name: "user" },
  options: {
    ttl: { value: "<seconds>", description: "how long it is valid; TOKEN_TTL_SECONDS by default" },
    json: { description: "print JSON" },
  },
  examples: ["belfry token alex", "belfry token alex --ttl 600"],
  async run(given: Given): Promise<void> {
    const { config } = readConfig();
    const user = userId(given.positionals[0] as string, "<user>");
    const ttl = integer(given, "ttl", 1, maxSeconds, config.TOKEN_TTL_SECONDS);
    if (!config.TOKEN_SECRET)
      throw new CommandError(
        "TOKEN_SECRET is not set, so no token can be signed. Set it to 32 random characters or more, here and for the service.",
      );
    const { createTokens } = await import("../core/tokens.ts");
    const tokens = createTokens({
      secrets: config.TOKEN_SECRET,
      publicKey: undefined,
      ttlSeconds: config.TOKEN_TTL_SECONDS,
      now: Date.now,
    });
    const signed = await tokens.sign(user, ttl);
    const expires_at = new Date(signed.expiresAt).toISOString();
    if (given.flags.has("json")) return terminal.print(JSON.stringify({ token: signed.token, expires_at }));
    terminal.print(signed.token);
    terminal.note(`It is valid until ${expires_at}.`);
  },
};
