// Summaries of search results are of the text of a page, without the buttons and contents around it.
(() => {
  if (typeof Search === "undefined") return;
  const textOf = Search.htmlToText;
  Search.htmlToText = (html, anchor) => {
    const page = new DOMParser().parseFromString(html, "text/html");
    const around = ".bd-header-article, .bd-sidebar-secondary, #jb-print-docs-body, .prev-next-footer, footer";
    page.querySelectorAll(around).forEach((element) => element.remove());
    return textOf(page.documentElement.outerHTML, anchor);
  };
})();
