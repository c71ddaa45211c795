/** Hands a stream to the person as a file. */


/** As a download of the browser. What is large is kept by the browser on its disk meanwhile, not in memory. */
export async function download(source: ReadableStream<Uint8Array<ArrayBuffer>> | Uint8Array<ArrayBuffer>, name: string): Promise<void> {
  const blob = await new Response(source).blob();
  const address = URL.createObjectURL(blob);
  const link = Object.assign(document.createElement('a'), { href: address, download: name });
  document.body.append(link);
  link.click();
  link.remove();
  // The browser has begun to read by then; a minute is for slow dialogs.
  setTimeout(() => URL.revokeObjectURL(address), 60_000);
}

