// Keeps the whole page, so that it opens without a network. The list and the version are filled in by the build.
const CACHE = 'xfskit-playground-__VERSION__';
const FILES = ['__FILES__'];

self.addEventListener('install', (event) => {
  // A page that is open goes on with the files that it was made with: the next version waits until it is closed.
  event.waitUntil(caches.open(CACHE).then((cache) => cache.addAll(FILES)));
});

self.addEventListener('activate', (event) => {
  event.waitUntil(
    caches
      .keys()
      .then((names) => Promise.all(names.filter((name) => name !== CACHE && name.startsWith('xfskit-playground-')).map((name) => caches.delete(name))))
      .then(() => self.clients.claim()),
  );
});

self.addEventListener('fetch', (event) => {
  const { request } = event;
  if (request.method !== 'GET' || new URL(request.url).origin !== self.location.origin) return;
  event.respondWith(request.mode === 'navigate' ? newest(request) : kept(request));
});

/** The page itself: as the server has it, or the one that is kept when there is no network. */
async function newest(request) {
  try {
    return await fetch(request);
  } catch (error) {
    const page = await (await caches.open(CACHE)).match(request, { ignoreSearch: true });
    if (page) return page;
    throw error;
  }
}

/** What the page is made of has names that change with the contents. */
async function kept(request) {
  return (await (await caches.open(CACHE)).match(request)) ?? fetch(request);
}
