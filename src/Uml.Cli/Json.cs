using System.Text.Encodings.Web;
using System.Text.Json;

namespace Uml.CI.Cli;

/// <summary>JSON on standard output.</summary>
internal static class Json
{
    /// <summary>Prints what the action writes, indented, with a line end.</summary>
    public static void Print(Action<Utf8JsonWriter> write)
    {
        using var memory = new MemoryStream();
        using (var json = new Utf8JsonWriter(memory, new JsonWriterOptions { Indented = true, Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping }))
            write(json);
        memory.WriteByte((byte)'\n');
        Descriptor.Output.Write(memory.GetBuffer().AsSpan(0, (int)memory.Length));
    }

    /// <summary>Prints an array with an object for each item.</summary>
    public static void PrintArray<T>(IEnumerable<T> items, Action<Utf8JsonWriter, T> write) => Print(json =>
    {
        json.WriteStartArray();
        foreach (T item in items)
        {
            json.WriteStartObject();
            write(json, item);
            json.WriteEndObject();
        }

        json.WriteEndArray();
    });

    /// <summary>Writes a property that is an array of strings.</summary>
    public static void WriteStrings(Utf8JsonWriter json, string name, IEnumerable<string> values)
    {
        json.WriteStartArray(name);
        foreach (string value in values)
            json.WriteStringValue(value);
        json.WriteEndArray();
    }
}
