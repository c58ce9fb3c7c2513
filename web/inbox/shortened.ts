/** For where no more than a line is wanted. Whole characters, not halves of them. */
export const shortened = (text: string, length = 120): string => {
  const characters = [...text.slice(0, length * 2 + 2)];
  return characters.length <= length ? text : `${characters.slice(0, length - 1).join("")}…`;
};
