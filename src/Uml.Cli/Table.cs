namespace Uml.CI.Cli;

/// <summary>Columns of text.</summary>
internal static class Table
{
    /// <summary>Writes a row for each item below the columns' names.</summary>
    public static void Write<T>(IEnumerable<T> items, params (string Name, Func<T, string> Cell)[] columns) =>
        Write([[.. columns.Select(c => c.Name)], .. items.Select(i => (string[])[.. columns.Select(c => c.Cell(i))])]);

    /// <summary>Writes rows with their columns below each other.</summary>
    public static void Write(IReadOnlyList<string[]> rows)
    {
        int[] widths = [.. Enumerable.Range(0, rows[0].Length).Select(i => rows.Max(r => r[i].Length))];
        foreach (string[] row in rows)
            Descriptor.Output.WriteLine(string.Join("  ", row.Select((cell, i) => cell.PadRight(widths[i]))).TrimEnd());
    }
}
