import { expect, test } from "vitest";
import { smsSender } from "../../src/channels/sms/twilio.ts";
import { loadConfig } from "../../src/config/load.ts";
import { phoneNumber } from "../../src/model/phone.ts";

test.each([
  ["+12025550100", "+12025550100"],
  ["0049 151 23456789", "+4915123456789"],
  ["+49 (151) 234-567.89", "+4915123456789"],
  [" +1 202 555 0100 ", "+12025550100"],
])("%s is stored as %s", (given, stored) => {
  expect(phoneNumber(given)).toBe(stored);
  expect(loadConfig({ RECEIVER_PHONE_NUMBER: given }).config.RECEIVER_PHONE_NUMBER).toBe(stored);
});

test.each([
  "030 1234",
  "+0123456",
  "+49 (0)151 2345",
  "12025550100",
  "+1 202 555 0100 ext 7",
  "+1202555010012345",
  "tel",
])("%s is refused", (given) => {
  expect(phoneNumber(given)).toBeUndefined();
  expect(() => loadConfig({ RECEIVER_PHONE_NUMBER: given })).toThrow(
    /RECEIVER_PHONE_NUMBER: must be a phone number/,
  );
});

test.each(["", "+", "Too long a sender", "MG123"])("the sender %j", (given) => {
  expect(smsSender(given)).toBe(given === "MG123" ? given : undefined);
});
