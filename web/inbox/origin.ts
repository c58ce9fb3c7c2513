/** Services whose refusal has been reported to the console. */
const reported = new Set<string>();

/**
 * A page never learns why its browser refused an answer, and the browser writes an error for each try. So when a request
 * fails although the service can be reached, the service does not accept this page's origin: from then on nothing is asked.
 */
export function createOriginCheck(server: string) {
  let isRefused = false;
  let isAccepted = false;
  const refusal = () => Response.json({ code: "foreign_origin" }, { status: 403 });

  return {
    async fetch(address: Parameters<typeof fetch>[0], init: RequestInit): Promise<Response> {
      if (isRefused) return refusal();
      const ask = async () => {
        const answer = await fetch(address, init);
        isAccepted = true;
        return answer;
      };
      try {
        return await ask();
      } catch (error) {
        if (isAccepted || init.signal?.aborted || new URL(server).origin === location.origin) throw error;
        await fetch(`${server}/inbox.js`, { method: "HEAD", mode: "no-cors", cache: "no-store" });
        try {
          // The service may have been away for a moment.
          return await ask();
        } catch {
          isRefused = true;
        }
      }
      if (!reported.has(server))
        // biome-ignore lint/suspicious/noConsole: for the developer of the page, who sees nothing else of it
        console.warn(
          `belfry-inbox: ${server} refuses pages of ${location.origin}. Add it to the service's ALLOWED_ORIGINS.`,
        );
      reported.add(server);
      return refusal();
    },
    forget(): void {
      isRefused = false;
    },
  };
}
