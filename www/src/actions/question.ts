import { atom } from 'nanostores';

/** What a dialog asks; with `field` for a line of text, without for yes or no. */
export interface Question {
  title: string;
  text?: string;
  field?: { label: string; value: string; problem?: (value: string) => string | undefined };
  yes: string;
  danger?: boolean;
  answer: (value: string | undefined) => void;
}

export const $question = atom<Question | undefined>();

type Asked = Omit<Question, 'answer'>;

function put(question: Asked): Promise<string | undefined> {
  $question.get()?.answer(undefined);
  return new Promise((resolve) => {
    const answer = (value: string | undefined) => {
      $question.set(undefined);
      resolve(value);
    };
    $question.set({ ...question, answer });
  });
}

/** A line of text, or nothing when the person thinks better of it. */
export function ask(question: Asked & { field: NonNullable<Question['field']> }): Promise<string | undefined> {
  return put(question);
}

export async function confirm(question: Asked): Promise<boolean> {
  return (await put(question)) !== undefined;
}
