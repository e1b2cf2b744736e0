using System.Buffers.Binary;
using System.Text.Json;
using System.Text.Json.Serialization.Metadata;

namespace Uml.CI.Cli;

/// <summary>Messages on a socket between a tool and the process that keeps a guest: four bytes of length, least significant first, then JSON.</summary>
internal static class SessionMessages
{
    // Arguments and environment of a program have 2 MiB on Linux, twice that as JSON at most but for odd bytes.
    private const int MostBytes = 16 * 1024 * 1024;

    /// <summary>Sends a message.</summary>
    /// <exception cref="IOException">Nobody takes it.</exception>
    public static void Write<T>(Stream stream, T message, JsonTypeInfo<T> type)
    {
        byte[] text = JsonSerializer.SerializeToUtf8Bytes(message, type);
        byte[] whole = new byte[sizeof(int) + text.Length];
        BinaryPrimitives.WriteInt32LittleEndian(whole, text.Length);
        text.CopyTo(whole.AsSpan(sizeof(int)));
        stream.Write(whole);
    }

    /// <summary>Receives a message; null at the end.</summary>
    /// <exception cref="IOException">The connection broke, or what came is no message.</exception>
    public static async Task<T?> ReadAsync<T>(Stream stream, JsonTypeInfo<T> type, CancellationToken cancellationToken)
        where T : class
    {
        byte[] size = new byte[sizeof(int)];
        int n = await stream.ReadAtLeastAsync(size, size.Length, throwOnEndOfStream: false, cancellationToken);
        if (n == 0)
            return null;
        int length = n == size.Length ? BinaryPrimitives.ReadInt32LittleEndian(size) : -1;
        if (length is < 0 or > MostBytes)
            throw new IOException("what arrived on the socket is no message");
        byte[] text = new byte[length];
        await stream.ReadExactlyAsync(text, cancellationToken);
        try
        {
            return JsonSerializer.Deserialize(text, type) ?? throw new IOException("what arrived on the socket is no message");
        }
        catch (JsonException e)
        {
            throw new IOException("what arrived on the socket is no message", e);
        }
    }
}
