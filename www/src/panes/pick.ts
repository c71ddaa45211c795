/** The browser's file dialog. Resolves with nothing when the person thinks better of it. */
export function pickFiles(options: { accept?: string; multiple?: boolean; folder?: boolean }): Promise<File[]> {
  const input = document.createElement('input');
  input.type = 'file';
  input.accept = options.accept ?? '';
  input.multiple = options.multiple ?? false;
  input.webkitdirectory = options.folder ?? false;
  return new Promise((resolve) => {
    input.addEventListener('change', () => resolve([...(input.files ?? [])]));
    input.addEventListener('cancel', () => resolve([]));
    input.click();
  });
}
