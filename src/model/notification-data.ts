/**
 * The data of each notification type. It is empty until a program declares its types, which `belfry types generate` writes:
 * `declare module "belfry" { interface NotificationData { comment: { author: string } } }`.
 */
// biome-ignore lint/suspicious/noEmptyInterface: programs add to it, which a type alias does not allow.
export interface NotificationData {}

/** A declared type; any text while none is declared. */
export type NotificationKey = keyof NotificationData extends never ? string : keyof NotificationData & string;

/** A type with its data. The data may be left out when none of it is required. */
export type TypedData<Key extends string = NotificationKey> = Key extends keyof NotificationData
  ? Partial<NotificationData[Key]> extends NotificationData[Key]
    ? { type: Key; data?: NotificationData[Key] }
    : { type: Key; data: NotificationData[Key] }
  : { type: Key; data?: Record<string, unknown> };
