import { hex } from './format';

/** Bytes as lines of offset, 16 bytes in hex and their characters. `at` is the offset of the first one. */
export function hexLines(bytes: Uint8Array, at: number): string {
  const lines: string[] = [];
  for (let start = 0; start < bytes.length; start += 16) {
    const row = [...bytes.subarray(start, start + 16)];
    const digits = row.map((byte) => hex(byte, 2));
    const halves = [digits.slice(0, 8).join(' ').padEnd(23), digits.slice(8).join(' ').padEnd(23)].join('  ');
    const text = row.map((byte) => (byte >= 0x20 && byte < 0x7f ? String.fromCharCode(byte) : '·')).join('');
    lines.push(`${hex(at + start, 8)}  ${halves}  ${text}`);
  }
  return lines.join('\n');
}
