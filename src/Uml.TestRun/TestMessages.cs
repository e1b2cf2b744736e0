using Xunit.Runner.Common;
using Xunit.Sdk;

namespace Uml.CI;

/// <summary>Reads the test framework's messages.</summary>
internal static class TestMessages
{
    /// <summary>The message in a line; null if it is none, or not a whole one.</summary>
    public static IMessageSinkMessage? Read(string line)
    {
        try
        {
            return MessageSinkMessageDeserializer.Deserialize(line, null);
        }
        catch (Exception e) when (IsOfBrokenMessage(e))
        {
            // A program may write anything.
            return null;
        }
    }

    /// <summary>Hands a message on; false if it turns out to be no whole one.</summary>
    public static bool Deliver(IMessageSinkMessage message, IMessageSink sink)
    {
        try
        {
            sink.OnMessage(message);
            return true;
        }
        catch (Exception e) when (IsOfBrokenMessage(e))
        {
            return false;
        }
    }

    private static bool IsOfBrokenMessage(Exception exception) =>
        exception is ArgumentException or FormatException or InvalidCastException or InvalidOperationException or OverflowException or KeyNotFoundException;
}
