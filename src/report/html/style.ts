/** The style of the report: system fonts, two colour schemes, and a print form. No network, no scripts. */
export const STYLE = `
:root{color-scheme:light dark;
--bg:#f6f7f9;--card:#fff;--ink:#1b2330;--soft:#5a6678;--faint:#8c97a8;--line:#e1e6ed;--well:#f1f4f8;
--red:#c0262d;--red-bg:#fdeeee;--amber:#9a6200;--amber-bg:#fff5df;--blue:#1f5fae;--blue-bg:#eaf2fc;--green:#1c7a45;--green-bg:#e8f6ee;
--hot:214,60,40;--accent:#c0262d;--control:#7d8899;--suff:#1f5fae;--shadow:0 1px 2px rgba(20,30,50,.06),0 4px 16px rgba(20,30,50,.05)}
@media (prefers-color-scheme:dark){:root{
--bg:#11151b;--card:#191f28;--ink:#e6eaf0;--soft:#a3adbc;--faint:#76818f;--line:#2a323e;--well:#12171e;
--red:#ff7b78;--red-bg:#3a1b1d;--amber:#f2b84b;--amber-bg:#352a14;--blue:#7db4f5;--blue-bg:#16283f;--green:#6fd39a;--green-bg:#132e20;
--hot:255,105,80;--accent:#ff7b78;--control:#8a95a5;--suff:#7db4f5;--shadow:0 1px 2px rgba(0,0,0,.4)}}
*{box-sizing:border-box}
body{margin:0;background:var(--bg);color:var(--ink);font:15px/1.55 system-ui,-apple-system,"Segoe UI",Roboto,"Helvetica Neue","DejaVu Sans",sans-serif}
main{max-width:1040px;margin:0 auto;padding:28px 24px 64px}
code,pre{font-family:ui-monospace,SFMono-Regular,Menlo,Consolas,"DejaVu Sans Mono",monospace;font-size:.9em}
a{color:var(--blue);text-decoration:none}a:hover{text-decoration:underline}
h1,h2,h3,h4,h5{line-height:1.25;margin:0}
.brand{display:flex;justify-content:space-between;align-items:baseline;color:var(--soft);font-size:13px;margin-bottom:14px}
.brand b{color:var(--ink);letter-spacing:.02em;font-size:15px}
.hero{background:var(--card);border:1px solid var(--line);border-radius:14px;box-shadow:var(--shadow);overflow:hidden;margin-bottom:26px}
.hero-top{padding:24px 28px;border-left:8px solid var(--tone);background:var(--tone-bg)}
.fail{--tone:var(--red);--tone-bg:var(--red-bg)}.incomplete{--tone:var(--amber);--tone-bg:var(--amber-bg)}.pass{--tone:var(--green);--tone-bg:var(--green-bg)}
.verdict{color:var(--tone);font-size:30px;font-weight:750;letter-spacing:-.01em}
.hero-top p{margin:6px 0 0;font-size:16px}
.path{overflow-wrap:anywhere}
.top .chip.chip{background:var(--card)}.top{list-style:none;margin:14px 0 0;padding:0}.top li{padding:3px 0}.top a{color:var(--ink);font-weight:600}.top small{color:var(--soft);font-size:14px;overflow-wrap:anywhere}
.hero-body{display:grid;grid-template-columns:minmax(0,1fr) minmax(0,1.25fr);border-top:1px solid var(--line)}
.hero-body>section{padding:20px 28px}.hero-body>section+section{border-left:1px solid var(--line)}
.label{font-size:12px;font-weight:650;letter-spacing:.06em;text-transform:uppercase;color:var(--soft);margin:0 0 10px}.hero-body .label:not(:first-child){margin-top:16px}
.tally{display:flex;gap:10px;flex-wrap:wrap;margin-bottom:16px}
.tally span{border-radius:9px;padding:7px 13px;font-weight:600;background:var(--well);color:var(--faint)}
.tally b{font-size:19px;margin-right:5px}
.tally .error{color:var(--red);background:var(--red-bg)}.tally .warning{color:var(--amber);background:var(--amber-bg)}.tally .note{color:var(--blue);background:var(--blue-bg)}
.stages{list-style:none;margin:0;padding:0;display:flex;flex-wrap:wrap;gap:6px 16px;font-size:14px}
.stages li::before{content:"";display:inline-block;width:9px;height:9px;border-radius:50%;margin-right:7px;background:var(--faint)}
.stages .done::before{background:var(--green)}.stages .incomplete::before{background:var(--amber)}
.gaps{margin:0;padding:0;list-style:none;font-size:14px}
.gaps li{padding:5px 0 5px 20px;position:relative;overflow-wrap:anywhere}
.gaps li::before{content:"–";position:absolute;left:4px;color:var(--faint)}
.gaps .failed::before{content:"!";font-weight:800;color:var(--amber)}
.gaps span{color:var(--soft)}
.severity{margin:32px 0 12px;font-size:19px;display:flex;align-items:center;gap:10px}
.chip{display:inline-block;border-radius:6px;font-size:12px;font-weight:700;padding:2px 8px;letter-spacing:.03em;text-transform:uppercase}
.chip.error{color:var(--red);background:var(--red-bg)}.chip.warning{color:var(--amber);background:var(--amber-bg)}.chip.note{color:var(--blue);background:var(--blue-bg)}
.chip.plain{color:var(--soft);background:var(--well);text-transform:none;letter-spacing:0;font-weight:600}
.card{background:var(--card);border:1px solid var(--line);border-radius:14px;box-shadow:var(--shadow);padding:22px 26px;margin-bottom:18px;break-inside:auto}
.card.error{border-top:4px solid var(--red)}.card.warning{border-top:4px solid var(--amber)}.card.note{border-top:4px solid var(--blue)}
.card>header{display:flex;flex-wrap:wrap;gap:8px;align-items:center;margin-bottom:6px}
.card h3{font-size:19px;margin-bottom:6px}
.where{color:var(--soft);font-size:13px;overflow-wrap:anywhere;margin:4px 0 0}
.message{margin:8px 0 0;white-space:pre-wrap;overflow-wrap:anywhere}
.state{color:var(--soft);font-size:13px;border-left:3px solid var(--line);padding-left:10px;margin:10px 0 0}
.block{margin-top:22px;break-inside:avoid}
.block h4{font-size:14px;margin-bottom:8px}
.block h4 small{font-weight:400;color:var(--soft);font-size:13px;margin-left:6px}
.lit{white-space:pre-wrap;overflow-wrap:anywhere}
.sp{background:linear-gradient(var(--faint),var(--faint)) center/3px 3px no-repeat}
.nl,.esc{color:var(--faint)}
.esc{color:var(--amber)}
.trigger{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(320px,100%),1fr));gap:12px}
.trigger div{background:var(--well);border-radius:10px;padding:12px 16px}
.trigger small{display:block;color:var(--soft);font-size:12px;margin-bottom:4px}
.trigger .lit{font-size:17px}
.trigger .hotbox{background:var(--red-bg)}.warning .trigger .hotbox{background:var(--amber-bg)}.note .trigger .hotbox{background:var(--blue-bg)}
.samples{display:grid;gap:12px}
.sample{border:1px solid var(--line);border-radius:10px;overflow:hidden;break-inside:avoid}
.sample .ctx{padding:9px 14px;font-size:13px;color:var(--soft);background:var(--well)}
.sides{display:grid;grid-template-columns:1fr 1fr}
.sides>div{padding:10px 14px 12px}.sides>div+div{border-left:1px solid var(--line)}
.sides small{display:block;font-size:12px;color:var(--soft);margin-bottom:3px}
.with .lit{color:var(--red)}.warning .with .lit{color:var(--amber)}.note .with .lit{color:var(--ink)}
.heat{color:var(--ink);border-radius:3px;padding:1px 0;white-space:pre-wrap}
${Array.from({ length: 9 }, (_, level) => `.h${level}{background:rgba(var(--hot),${(level * 0.09).toFixed(2)})}`).join('')}
.legend{font-size:12px;color:var(--soft);margin-top:8px}
.legend .heat{padding:1px 6px}
svg{display:block;width:100%;height:auto;overflow:visible}
svg text{stroke:none;fill:var(--soft);font:13px system-ui,-apple-system,"Segoe UI",Roboto,"DejaVu Sans",sans-serif}
svg .strong{fill:var(--ink);font-weight:600}
svg .grid{stroke:var(--line)}svg .axis{stroke:var(--faint)}
svg .s-hot{stroke:var(--accent);fill:var(--accent)}svg .s-control{stroke:var(--control);fill:var(--control)}svg .s-suff{stroke:var(--suff);fill:var(--suff)}
svg .open{fill:var(--card)}svg .curve{fill:none}
.facts{display:grid;grid-template-columns:repeat(auto-fill,minmax(190px,1fr));gap:10px 20px;margin:0}
.facts dt{font-size:12px;color:var(--soft)}.facts dd{margin:0;font-weight:600;overflow-wrap:anywhere}
.facts dd small{font-weight:400;color:var(--soft)}
.scroll{overflow-x:auto}
table{border-collapse:collapse;width:100%;font-size:14px}
th{font-size:12px;color:var(--soft);font-weight:600;text-align:left;border-bottom:1px solid var(--line);padding:5px 14px 5px 0;white-space:nowrap}
td{border-bottom:1px solid var(--line);padding:6px 14px 6px 0;vertical-align:top;overflow-wrap:anywhere}
tr:last-child td{border-bottom:0}
.num{text-align:right;font-variant-numeric:tabular-nums}
.todo{border-radius:10px;background:var(--well);padding:12px 16px}
.taxa{display:flex;gap:6px;flex-wrap:wrap;margin-top:14px}
details{margin-top:14px;border-top:1px solid var(--line);padding-top:10px}
details+details{margin-top:10px}
.gaps+details{border-top:0;padding-top:0;margin-top:4px}
summary{cursor:pointer;color:var(--soft);font-size:14px}
summary:hover{color:var(--ink)}
details h5{font-size:14px;margin:14px 0 4px}details p,details ul{margin:4px 0}
pre{background:var(--well);border-radius:10px;padding:12px 16px;overflow-x:auto;white-space:pre-wrap;overflow-wrap:anywhere;margin:8px 0 0}
.command{font-size:14px}
.prompt{color:var(--faint);user-select:none}
footer{color:var(--soft);font-size:13px;margin-top:34px;border-top:1px solid var(--line);padding-top:16px}
@media (max-width:720px){.hero-body,.sides{grid-template-columns:1fr}.hero-body>section+section,.sides>div+div{border-left:0;border-top:1px solid var(--line)}main{padding:16px 12px 48px}.card{padding:18px 16px}}
@media print{:root{color-scheme:light;--bg:#fff;--card:#fff;--ink:#111;--soft:#444;--faint:#777;--line:#ccc;--well:#f4f4f4;--red:#a5141b;--red-bg:#fbeaea;--amber:#7a4d00;--amber-bg:#fdf3dc;--blue:#174a8b;--blue-bg:#e8f0fa;--green:#14602f;--green-bg:#e6f4ec;--hot:214,60,40;--accent:#a5141b;--control:#666;--suff:#174a8b;--shadow:none}
body{font-size:11pt}main{max-width:none;padding:0}.card,.hero{box-shadow:none}summary{display:none}details:not([open]){display:none}*{print-color-adjust:exact;-webkit-print-color-adjust:exact}@page{margin:14mm}}
`;
