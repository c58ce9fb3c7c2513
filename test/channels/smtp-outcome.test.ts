import { describe, expect, test } from "vitest";
import { type SmtpFailure, smtpOutcome } from "../../src/channels/email/smtp-outcome.ts";

const minute = 60_000;

const answer = (response: string, more: Partial<SmtpFailure> = {}): SmtpFailure => ({
  code: "EENVELOPE",
  command: "RCPT TO",
  responseCode: Number(response.slice(0, 3)),
  response,
  message: `refused: ${response}`,
  ...more,
});
const data = { code: "EMESSAGE", command: "DATA" };
const sentence = expect.stringMatching(/^[A-Z].*\.$/);

describe("what an answer means", () => {
  const retry = { kind: "retry" };
  /** It tells of the server, not of this mail: enough of them in a row open the breaker. */
  const ailing = { kind: "retry", ailing: true };
  const patient = { kind: "retry", afterMs: 5 * minute };
  const slower = { ...ailing, afterMs: minute };
  const address = { kind: "rejected", reason: "address" };
  const message = { kind: "rejected", reason: "message" };
  const policy = { kind: "rejected", reason: "policy" };
  const config = { kind: "misconfigured", remedy: sentence };
  /** Refused without an exact code. */
  const named = { ...address, doubt: { named: true, remedy: sentence } };
  const unnamed = { ...address, doubt: { named: false, remedy: sentence } };
  const unknown = { kind: "unknown" };

  const rows: Array<[string, SmtpFailure, object]> = [
    ["421 4.3.2 closing", answer("421 4.3.2 closing"), ailing],
    ...["450 mailbox busy", "451 4.3.0 try again", "452 4.2.2 full", "454 4.3.0 no"].map(
      (text): [string, SmtpFailure, object] => [text, answer(text), retry],
    ),
    ["4.x.x to DATA", answer("451 4.4.1 no route", data), retry],
    [
      "a temporary failure of the login",
      answer("454 4.7.0 later", { code: "EAUTH", command: "AUTH" }),
      slower,
    ],
    ["STARTTLS not to be had just now", answer("454 TLS off", { code: "ETLS", command: "STARTTLS" }), retry],

    ["450 4.7.1", answer("450 4.7.1 try again later"), patient],
    ["451 4.7.1", answer("451 4.7.1 please wait"), patient],
    ["451 that says greylisted", answer("451 You are greylisted"), patient],
    ["450 that says gray-listing", answer("450 4.2.0 Gray-listing in effect"), patient],

    ["421 4.7.0 rate", answer("421 4.7.0 too many connections"), slower],
    ["421 4.7.1 rate", answer("421 4.7.1 too fast"), slower],
    ["450 4.7.28 rate", answer("450 4.7.28 unusual rate"), slower],
    ["451 4.7.650 rate", answer("451 4.7.650 rate limited"), slower],
    ["452 4.5.3", answer("452 4.5.3 too many recipients"), slower],

    ...["1.1", "1.2", "1.3", "1.6", "2.1"].map((detail): [string, SmtpFailure, object] => [
      `550 5.${detail}`,
      answer(`550 5.${detail} no such user`),
      address,
    ]),
    ["550 5.1.1 on several lines", answer("550-5.1.1 The account\n550 5.1.1 does not exist"), address],
    ["550 5.4.1 of Exchange Online", answer("550 5.4.1 Recipient address rejected: Access denied."), address],
    ["556", answer("556 5.1.10 domain accepts no mail"), address],
    ...[
      "550 no mailbox here",
      "550 Unknown user",
      "550 <ada@mail.example>: User unknown in virtual mailbox table",
      "550 Unrouteable address",
      "550 The email account that you tried to reach does not exist",
      "551 User not local",
      "553 mailbox name not allowed",
      "501 Bad recipient address syntax",
      "555 syntax error",
      "554 delivery error: This user doesn't have an account",
    ].map((text): [string, SmtpFailure, object] => [text, answer(text), named]),
    ...[
      "550 no",
      "550 Administrative prohibition",
      "550 Requested action not taken: mailbox unavailable",
    ].map((text): [string, SmtpFailure, object] => [text, answer(text), unnamed]),
    ["an IP address is no status", answer("550 from 203.5.7.1, see 5.7.1.99"), unnamed],

    ["552", answer("552 5.2.2 over quota", data), message],
    ["554 5.6.0", answer("554 5.6.0 bad content", data), message],
    ["554 5.3.4", answer("554 5.3.4 too big", data), message],
    ["550 5.3.4", answer("550 5.3.4 too big", data), message],
    ["a bare 550 to DATA", answer("550 refused", data), message],
    ["a bare 554", answer("554 transaction failed", data), message],

    [
      "550 5.7.1 to RCPT",
      answer("550 5.7.1 blocked"),
      { ...policy, doubt: { named: true, remedy: sentence } },
    ],
    ["550 5.7.1 to DATA", answer("550 5.7.1 blocked", data), policy],
    ["550 5.7.26", answer("550 5.7.26 unauthenticated mail", data), policy],
    ["554 5.7.1", answer("554 5.7.1 spam", data), policy],

    ["535", answer("535 5.7.8 bad credentials", { code: "EAUTH", command: "AUTH PLAIN" }), config],
    ["530", answer("530 5.7.0 authenticate first", { command: "MAIL FROM" }), config],
    ["EAUTH without an answer", { code: "EAUTH", command: "API", message: "no credentials" }, config],
    ["STARTTLS refused", answer("502 5.5.1 no", { code: "ETLS", command: "STARTTLS" }), config],
    ["a greeting of 554", answer("554 5.7.1 no service", { code: "EPROTOCOL", command: "CONN" }), config],
    ["our sender refused", answer("553 5.1.8 sender unknown", { command: "MAIL FROM" }), config],
    ["a size refused at MAIL FROM", answer("552 5.3.4 too big", { command: "MAIL FROM" }), message],

    [
      "connection refused",
      { code: "ESOCKET", command: "CONN", syscall: "connect", message: "connect ECONNREFUSED" },
      ailing,
    ],
    ["no such host", { code: "EDNS", command: "CONN", message: "queryA ENOTFOUND" }, ailing],
    ["connecting timed out", timedOut("CONNECT_TIMEOUT"), ailing],
    ["no greeting", timedOut("GREETING_TIMEOUT"), ailing],
    ["silence in the middle", timedOut("SOCKET_TIMEOUT"), unknown],
    ["closed, who knows when", { code: "ECONNECTION", command: "CONN", message: "closed" }, unknown],
    [
      "reset, who knows when",
      { code: "ESOCKET", command: "CONN", syscall: "read", message: "ECONNRESET" },
      unknown,
    ],
    [
      "a certificate that is not accepted",
      {
        code: "ESOCKET",
        command: "CONN",
        originalCode: "DEPTH_ZERO_SELF_SIGNED_CERT",
        message: "self-signed",
      },
      { ...config, remedy: expect.stringContaining("NODE_EXTRA_CA_CERTS") },
    ],
    ["an error nobody has seen before", { message: "?" }, unknown],
  ];

  function timedOut(timeoutType: string): SmtpFailure {
    return { code: "ETIMEDOUT", command: "CONN", timeoutType, message: "timed out" };
  }

  test.each(rows)("%s", (_name, failure, expected) => {
    const { code, text, ...outcome } = smtpOutcome(failure);
    expect(outcome).toEqual(expected);
    expect(text).toContain(failure.response ?? failure.message);
    if (failure.responseCode) expect(code).toMatch(new RegExp(`^${failure.responseCode}\\b`));
  });

  test("the status is kept with the code, and a long answer is cut", () => {
    expect(smtpOutcome(answer("550 5.1.1 nobody"))).toMatchObject({ code: "550 5.1.1" });
    expect(smtpOutcome(answer(`451 ${"x".repeat(5_000)}`)).text).toHaveLength(500);
  });
});

describe("a refusal of us is not the address's fault", () => {
  /** What the remedy must name. */
  const [login, relay, sender, helo] = [/SMTP_LOGIN/, /relay/, /SMTP_EMAIL/, /SMTP_EHLO/];
  const [host, account, tls] = [/IP address/, /account/, /SMTP_TLS/];
  const mail = { command: "MAIL FROM" };
  const rows: Array<[string, RegExp, Partial<SmtpFailure>?]> = [
    // Postfix
    ["554 5.7.1 <x@mail.example>: Relay access denied", relay],
    ["454 4.7.1 <x@mail.example>: Relay access denied", relay],
    ["553 5.7.1 <us@sender.example>: Sender address rejected: not logged in", sender],
    ["553 5.7.1 <us@sender.example>: Sender address rejected: not owned by user bob", sender],
    ["450 4.1.8 <us@sender.example>: Sender address rejected: Domain not found", sender],
    ["504 5.5.2 <web>: Helo command rejected: need fully-qualified hostname", helo],
    ["450 4.7.1 <web>: Helo command rejected: Host not found", helo],
    ["554 5.7.1 <unknown[203.0.113.9]>: Client host rejected: Access denied", host],
    ["450 4.7.25 Client host rejected: cannot find your hostname, [203.0.113.9]", host],
    ["554 5.7.1 Service unavailable; Client host [203.0.113.9] blocked using zen.spamhaus.org", host],
    ["530 5.7.0 Must issue a STARTTLS command first", tls, mail],
    // Exim, cPanel
    ["550 relay not permitted", relay],
    ["550 Please turn on SMTP Authentication in your mail client.", login],
    [
      "550-Please turn on SMTP Authentication in your mail client.\n550 web (web) [203.0.113.9]:5 is not permitted to relay through this server without authentication.",
      login,
    ],
    ["550 Sender verify failed", sender],
    ["550-Verification failed for <us@sender.example>\n550 Sender verify failed", sender],
    ["550 relaying to <x@mail.example> prohibited by administrator", relay],
    ["550 Access denied - Invalid HELO name (See RFC2821 4.1.1.1)", helo],
    ["550 authentication required", login],
    // Exchange, Microsoft 365
    ["550 5.7.60 SMTP; Client does not have permissions to send as this sender", sender, data],
    ["554 5.2.252 SendAsDenied; us@sender.example not allowed to send as them@sender.example", sender, data],
    ["550 5.7.54 SMTP; Unable to relay recipient in non-accepted domain", relay],
    ["550 5.7.1 Unable to relay", relay],
    ["550 5.7.64 TenantAttribution; Relay Access Denied", relay],
    ["530 5.7.57 Client not authenticated to send mail", login, mail],
    ["501 5.1.8 Bad outbound sender", sender],
    ["550 5.7.708 Service unavailable. Access denied, traffic not accepted from this IP", host],
    // Sendmail, qmail
    ["550 5.7.1 <x@mail.example>... Relaying denied. Proper authentication required.", relay],
    ["550 5.7.1 <x@mail.example>... Relaying denied. IP name lookup failed [203.0.113.9]", relay],
    ["553 sorry, that domain isn't in my list of allowed rcpthosts (#5.7.1)", relay],
    ["503 AUTH first (#5.5.1)", login],
    // Google's relay
    [
      "550-5.7.1 Invalid credentials for relay [203.0.113.9]. The IP address you've\n550 5.7.1 registered in your Workspace SMTP Relay service doesn't match",
      relay,
    ],
    [
      "550 5.7.1 The IP you're using to send mail is not authorized to send email directly to our servers",
      sender,
    ],
    ["550 5.4.5 Daily user sending limit exceeded", account, data],
    // Amazon SES, SendGrid and others that send for their customers
    [
      "554 Message rejected: Email address is not verified. The following identities failed the check in region US-EAST-1: us@sender.example",
      sender,
      data,
    ],
    [
      "550 The from address does not match a verified Sender Identity. Mail cannot be sent until this error is resolved.",
      sender,
      data,
    ],
    ["501 mail from address must be same as authorization user", sender],
    ["550 not local sender over smtp", sender],
    ["550 Sender is not allowed", sender],
    ["551 5.7.1 Not authorised to send from this header address", sender, data],
    ["554 Your account is suspended", account],
    [
      "530 This mail server requires authentication when attempting to send to a non-local e-mail address",
      login,
    ],
    ["550 You must check mail first (POP before SMTP)", login],
    ["550 we do not relay", relay],
    ["451 5.7.3 STARTTLS is required to send mail", tls, mail],
    ["550 5.7.3 Requested action aborted; user not authenticated", login],
    ["550 authenticate before sending", login],
    ["550 5.7.1 Unconfigured Sending Domain <sender.example>", sender, data],
    ["550 5.4.6 Unusual sending activity detected", account, data],
    ["525 5.7.1 Unauthorized IP address", host],
    ["550 Access from ip address 203.0.113.9 blocked", host],
    ["502 command not implemented", host],
  ];
  test.each(rows)("%s", (response, remedy, more) => {
    expect(smtpOutcome(answer(response, more))).toMatchObject({
      kind: "misconfigured",
      remedy: expect.stringMatching(remedy),
    });
  });

  test.each([
    ["a recipient's own rules", "550 5.7.1 Sender not allowed by recipient policy", "policy"],
    [
      "a closed group",
      "550 5.7.133 RESOLVER.RST.SenderNotAuthenticatedForGroup; authentication required",
      "policy",
    ],
    ["a DMARC check", "550 5.7.26 requires all senders to authenticate with either SPF or DKIM", "policy"],
    ["a spam filter", "554 5.7.1 Message looks like spam", "policy"],
    [
      "a recipient's name that reads like a refusal of us",
      "550 5.1.1 <relay-denied@auth.example>: no such user",
      "address",
    ],
    [
      "a relay that knows its recipients",
      "550 5.1.1 <ada@mail.example>: Recipient address rejected: User unknown in relay recipient table",
      "address",
    ],
    ["a server whose name reads so", "550 5.1.1 smtp-relay.mail.example says: User unknown", "address"],
    [
      "a recipient without a domain",
      "504 5.5.2 <ada>: Recipient address rejected: need fully-qualified address",
      "address",
    ],
    ["links after DATA", "554 message refers to a host on a block list", "message"],
  ])("but %s is none", (_name, response, reason) => {
    const more = reason === "message" ? data : {};
    expect(smtpOutcome(answer(response, more))).toMatchObject({ kind: "rejected", reason });
  });

  test("a wrong name, an expired certificate and an unknown authority have different remedies", () => {
    const remedyOf = (message: string, originalCode: string) =>
      smtpOutcome({ code: "ESOCKET", command: "CONN", message, originalCode });
    expect(
      remedyOf("unable to get local issuer certificate", "UNABLE_TO_GET_ISSUER_CERT_LOCALLY"),
    ).toMatchObject({
      kind: "misconfigured",
      text: "certificate not trusted: unable to get local issuer certificate",
      remedy: expect.stringContaining("NODE_EXTRA_CA_CERTS"),
    });
    expect(remedyOf("certificate has expired", "CERT_HAS_EXPIRED")).toMatchObject({
      remedy: expect.stringContaining("renew"),
    });
    expect(
      remedyOf("Hostname/IP does not match certificate's altnames", "ERR_TLS_CERT_ALTNAME_INVALID"),
    ).toMatchObject({
      remedy: expect.stringContaining("SMTP_HOST"),
    });
  });
});
