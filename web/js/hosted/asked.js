// Whether this address asks for a session on the server's kernel, instead of the host in the tab.
export const isAsked = () => /^#hosted\b/.test(location.hash);
