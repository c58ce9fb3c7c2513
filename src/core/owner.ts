import type { Store } from "../store/index.ts";

/** Finds the user of a notification: by its deliveries, else in all inboxes. `nobody`: its user was erased. */
export const createOwnerSearch =
  ({ deliveries, search }: Pick<Store, "deliveries" | "search">) =>
  async (id: string): Promise<string | undefined> => {
    const [delivery] = await deliveries.page({ notification: id }, undefined, 1);
    return delivery?.user ?? (await search.withNotification(id))?.user;
  };
