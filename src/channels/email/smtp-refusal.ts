/**
 * The subject of a refusal, by the server's words. The status alone does not tell: Postfix says "Relay access denied"
 * with 454 and with 554, Exim and cPanel say everything with a plain 550, Exchange has codes of its own. A refusal of
 * us must not be blamed on the recipient's address.
 */
export type Ours = "encryption" | "helo" | "login" | "relay" | "sender" | "account" | "host";

/** One sentence each that tells the operator what to do. */
export const remedies: Record<Ours | "everybody", string> = {
  encryption: "The mail server wants TLS: set SMTP_TLS=auto or SMTP_TLS=required.",
  helo: "The mail server does not accept our greeting: set SMTP_EHLO to this machine's full host name.",
  login: "The mail server wants a login: check SMTP_LOGIN and SMTP_PASSWORD (or the SMTP_OAUTH_ variables).",
  relay:
    "The mail server does not relay for us: set SMTP_LOGIN and SMTP_PASSWORD, or let the server relay for this machine.",
  sender: "Set SMTP_EMAIL to an address that the mail server, or our account there, may send from.",
  account: "Check our account at the mail server: its state, its plan and its sending limits.",
  host: "The mail server does not accept this machine: check its IP address, its reverse DNS and the server's block lists.",
  everybody:
    "The mail server accepts no recipient at present: check that it relays for us (SMTP_LOGIN, SMTP_PASSWORD) and accepts SMTP_EMAIL as sender.",
};

/** Enhanced codes (RFC 3463, RFC 5248, Exchange Online) that speak of us whatever the text says. */
const codes: Array<[Ours, RegExp]> = [
  ["encryption", /^7\.10$/],
  ["login", /^7\.(8|9|11|14|57|139)$/],
  ["relay", /^7\.(54|64)$/],
  ["sender", /^(1\.[78]|2\.252|7\.60)$/],
  ["account", /^(4\.5|7\.(13|23[23]|50[1-3]|705|750))$/],
  ["host", /^7\.(25|511|606|70[18])$/],
];

/** Words that speak of us, also where the recipient is named beside them. */
const certain: Array<[Ours, RegExp[]]> = [
  [
    "encryption",
    [
      /\bstarttls\b/,
      /\b(tls|ssl|encrypt\w+) (\w+ )*(required|needed|first)/,
      /\b(must|requires?) (\w+ )?(tls|ssl|encrypt\w+)/,
    ],
  ],
  ["helo", [/\b(helo|ehlo)\b/]],
  [
    "relay",
    [
      /\brelay(ing)? (\w+ )*(denied|not|prohibited|disallowed|refused|forbidden|restricted)/,
      /\b(not|unable|cannot|can't|don't|no|refuse\w*|denied|won't) (\w+ ){0,3}relay(s|ed|ing)?\b/,
      /\brelay(s|ed|ing)?\b/,
      /\brcpthosts\b/,
      /\bnon-local e-?mail address/,
    ],
  ],
  ["sender", [/\bsender address\b/, /\bsender verif/, /\bsendas/, /\b(send|submit) as this sender/]],
];

const words: Array<[Ours, RegExp[]]> = [
  [
    "login",
    [
      /\bauth\w* (is |was )?(required|needed|necessary|failed|failure|first|unsuccessful|error)/,
      /\b(must|need to|needs to|have to|please|requires?|required to|enable|turn on|without|not|no) ([\w-]+ ){0,3}(auth|authenticat\w+|log ?in|log on|logged in|sign in)\b/,
      /\bunauthenticated (user|client|connection|session|sender)/,
      /\b(invalid|wrong|bad|missing) (login|credentials?|user ?name|password)/,
      /\bauthenticate (before|first)\b/,
      /\b(pop\w*|imap|check\w* (your |for new )?(e-?)?mail) (before|first)|pop-before/,
    ],
  ],
  [
    "sender",
    [
      /\b(sender|from|sending|envelope)( e-?mail)?( address| domain| identity| host)? (\w+ ){0,3}(reject|den[iy]|refus|verif|unverif|invalid|unknown|unauthori[sz]|not|disallow|must|exist|forbid|illegal)/,
      /\b(invalid|bad|wrong|unknown|unauthori[sz]ed|unverified|illegal|forged|local) (mail )?(sender|from)\b/,
      /\bunconfigured sending domain\b/,
      /\b(send|sending|submit|submitting|mails?|messages?) (\w+ )?(as|from|on behalf of) (this|that|your|the|another|a|other|any|anonymous|such|…)/,
      /\b(allowed|permitted|authori[sz]ed|permissions?|right|rights) to (send|submit|use this server)/,
      /\b(address|identit(y|ies)|domain|signature)( is| are| has)?( not|n't)( been)? verified/,
      /\bnot one of your (addresses|senders|identities)/,
      /\bsender (id\b|signature)/,
      /\bverification failed for/,
    ],
  ],
  [
    "account",
    [
      /\byour (\w+ )?(account|subscription|plan|tenant|credits?|quota)\b/,
      /\b(daily|hourly|monthly|sending|outgoing|outbound) (\w+ ){0,2}(limit|quota|credits?)\b/,
      /\bunusual (sending )?(activity|rate)\b/,
    ],
  ],
];

/** About this machine. After DATA such words are mostly about links and attachments. */
const hostWords: Array<[Ours, RegExp[]]> = [
  [
    "host",
    [
      /\bclient (host|ip|machine)\b/,
      /\b(your|sending|connecting|source|remote) (mail ?)?(server|host ?name|host|machine|ip|network|reverse|ptr)\b/,
      /\breverse (dns|host|lookup)|\b(ptr|rdns|rbl|dnsbl)\b/,
      /\b(block|black|deny|white|allow) ?list|\bblocked (using|by)\b/,
      /\b(unauthori[sz]ed|unknown) ip\b|\bip address \S+ (is )?(blocked|denied|listed|rejected)\b/,
      /\baccess denied\b|\bservice (denied|refused)\b/,
    ],
  ],
];

/** One recipient's own rules, checks of the sender's DNS that differ from one receiver to the next, and filters. */
const others =
  /\brecipient|\baddressee|\bresolver\.rst|\bby (the |this )?(user|owner)\b|\b(spf|dkim|dmarc|spam|virus|malware|content|group|mailing list)\b/;

const noMailbox = [
  /\b(no|unknown|unrouteable|unroutable|invalid|bad|non-?existent|inactive|illegal|not a|not a valid|not a known) (such )?(\w+ ){0,2}(user|recipient|mail ?box|address|account|person|addressee|destination)\b/,
  /\b(user|recipient|mail ?box|account|address|addressee|person)( \S+){0,6} (unknown|not known|not found|no longer|doesn't|does not|didn't|not exist|disabled|inactive|invalid|suspended|closed|syntax)\b/,
  /\bno ?(one|body) (here|by)\b|\bis ?n[o']t (here|local)\b|\bnot our (customer|user)|\brecipient address rejected/,
];

/** RFC 3463: there is no such mailbox, it has moved, or it is disabled. */
const mailboxCode = /^(1\.[16]|2\.1)$/;

/** `mailbox`: the words say that there is no such mailbox. Undefined when they do not tell. */
export function subjectOf(
  response: string,
  detail: string,
  command: string | undefined,
): Ours | "mailbox" | undefined {
  for (const [subject, code] of codes) if (code.test(detail)) return subject;
  const text = withoutNames(response);
  const noSuchMailbox = noMailbox.some((pattern) => pattern.test(text));
  // Postfix: "550 5.1.1 …: User unknown in relay recipient table". Code and words agree, whatever else is said.
  if (noSuchMailbox && mailboxCode.test(detail)) return "mailbox";
  const found = (table: Array<[Ours, RegExp[]]>) =>
    table.find(([, patterns]) => patterns.some((pattern) => pattern.test(text)))?.[0];
  const ours =
    found(certain) ??
    (others.test(response.toLowerCase().replace(named, "…"))
      ? undefined
      : (found(words) ?? (command === "DATA" ? undefined : found(hostWords))));
  return ours ?? (noSuchMailbox ? "mailbox" : undefined);
}

const named = /<[^>\r\n]*>|\S+@\S+/g;

/** Addresses and host names go: the words must be the server's, not those of whoever chose an address. */
function withoutNames(response: string): string {
  return response
    .toLowerCase()
    .replace(named, "…")
    .replace(/(?<![\w.-])[\w-]+(\.[\w-]+)*\.[a-z]{2,}(?![\w-])/g, "…")
    .replace(/[\r\n]+\d{3}[- ]/g, " ")
    .replace(/[:;,]/g, "")
    .replace(/\s+/g, " ");
}
