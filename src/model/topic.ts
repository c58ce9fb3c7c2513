/** A list of users under a key, such as `post:7`. */
export interface Topic {
  key: string;
  title?: string;
  /** Users may subscribe and unsubscribe themselves. */
  open: boolean;
  /** Unix ms. */
  createdAt: number;
}

export interface Subscription {
  user: string;
  /** Unix ms. */
  at: number;
}

/** A user's subscription. `topic` is absent while the topic is being deleted. */
export interface UserTopic {
  key: string;
  at: number;
  topic?: Topic;
}
