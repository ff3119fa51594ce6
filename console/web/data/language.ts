/**
 * Gives a browser a language that formatters accept. Without a locale in its environment, one says "" or "en-US@posix", and
 * uPlot, which asks for a formatter of that language while it loads, would take its screen with it. Import it before.
 */
if (!isLanguage(navigator.language))
  Object.defineProperty(navigator, 'language', { value: 'en-US', configurable: true });

function isLanguage(language: string): boolean {
  try {
    return Intl.getCanonicalLocales(language).length === 1;
  } catch {
    return false;
  }
}
