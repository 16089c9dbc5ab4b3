// Tables out of a view: CSV, the clipboard, files.

/** RFC 4180, with a line end after the last row. */
export function csv(head: string[], rows: (string | number | boolean)[][]): string {
  const cell = (value: string | number | boolean): string => {
    const text = String(value);
    return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
  };
  return `${[head, ...rows].map((row) => row.map(cell).join(",")).join("\r\n")}\r\n`;
}

/** Hand a file to the user. */
export function download(name: string, content: Blob): void {
  const url = URL.createObjectURL(content);
  const link = document.createElement("a");
  link.href = url;
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(url), 10_000);
}

/** Copy text; where the page may not reach the clipboard, hand it over as a file instead. */
export async function copyOrDownload(text: string, name: string): Promise<"copied" | "saved"> {
  try {
    await navigator.clipboard.writeText(text);
    return "copied";
  } catch {
    download(name, new Blob([text], { type: "text/csv" }));
    return "saved";
  }
}
