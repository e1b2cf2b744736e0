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
}
