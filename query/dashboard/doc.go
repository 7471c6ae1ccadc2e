// Package dashboard serves one page that shows what an application does: it holds no data and asks
// no other host, so whoever may load it learns nothing that the API would not tell.
//
// The page is plain HTML, CSS and ES modules in assets, embedded as they are; charts are drawn by
// uPlot (assets/uplot, MIT). Everything it shows comes from the API of the same origin, with the
// token that the reader gives.
//
// Files: dashboard.go (the handler, its headers), where.go (/dashboard.json). Assets, in the order
// they are read: index.html; theme.js, before anything is drawn; app.js (the shell: routes, when to
// ask again); api.js, history.js (rates and recoveries from looks at the API), chart.js, dom.js,
// format.js, ratchet.js; pages/, a module for each page; style.css and pages.css.
package dashboard
