import { createBatcher } from "../model/batcher.ts";
import { type EmailMessage, type EmailProvider, SendError } from "../model/delivery.ts";

type Captured = EmailMessage & { from: string };

/** Keeps what would have been sent, for a service without an e-mail provider. */
export function createCaptureProvider(options: {
  from: string;
  /** Stores messages; one entry each. */
  add: (messages: Captured[]) => Promise<Array<undefined | Error>>;
}): EmailProvider {
  const batches = createBatcher<Captured, undefined>({
    run: options.add,
    maxItems: 100,
    maxWaiting: Number.POSITIVE_INFINITY,
  });
  return {
    name: "capture",
    async send(message) {
      try {
        await batches.submit({ ...message, from: options.from });
        return {};
      } catch (error) {
        throw new SendError({ kind: "retry", code: "CAPTURE", text: (error as Error).message }, error);
      }
    },
    close: () => batches.drained(),
  };
}
