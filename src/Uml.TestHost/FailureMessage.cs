using System.Collections.Concurrent;
using Xunit;
using Xunit.Sdk;

namespace Uml.CI.TestHost;

/// <summary>
/// Puts what guests said last behind the message of the test that failed. What xunit reports is made up when the test is over, out
/// of reach of the test's own class; <see cref="GuestTestFramework"/> and the cases of <see cref="KernelFactAttribute"/> see it on
/// its way.
/// </summary>
internal static class FailureMessage
{
    private static readonly ConcurrentDictionary<string, string> Texts = new(StringComparer.Ordinal);
    private static volatile bool _allAreSeen;

    /// <summary>Adds to what will stand behind the message. False if nobody sees the message of this test.</summary>
    public static bool TryAdd(string text)
    {
        ITestContext context = TestContext.Current;
        if (context.Test is not { } test || !(_allAreSeen || context.TestCase is IKernelTestCase))
            return false;
        Texts.AddOrUpdate(test.UniqueID, text, (_, before) => before + text);
        return true;
    }

    /// <summary>Says that from now on every message comes past <see cref="Complete"/>.</summary>
    public static void SeeAll() => _allAreSeen = true;

    /// <summary>Completes the message of a failed test; leaves everything else as it is.</summary>
    public static void Complete(IMessageSinkMessage message)
    {
        switch (message)
        {
            case ITestFailed failed when Texts.TryRemove(failed.TestUniqueID, out string? text) && failed.Messages.Length > 0:
                failed.Messages[0] += "\n\n" + text.TrimEnd();
                break;
            case ITestFinished finished:
                Texts.TryRemove(finished.TestUniqueID, out _);
                break;
        }
    }
}

/// <summary>
/// Carries what guests said last into the message of a failed test where nothing else can: xunit shows both. The text itself is an
/// inner exception, because the messages of the two are also strung together in a line above them.
/// </summary>
internal sealed class GuestsLastWordsException(string text) : Exception("The test's guest:", new LastWords(text))
{
    private sealed class LastWords(string text) : Exception("\n" + text.TrimEnd());
}
