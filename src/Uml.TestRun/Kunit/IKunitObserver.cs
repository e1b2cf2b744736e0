namespace Uml.CI;

/// <summary>Told what happens while unit tests run. Calls may come from any thread, those about one kernel one at a time.</summary>
public interface IKunitObserver
{
    /// <summary>A kernel starts.</summary>
    /// <param name="glob">The pattern of its tests; empty for all.</param>
    /// <param name="isOnly">Whether all tests run in it, unless it is lost.</param>
    /// <returns>Who is to be told of its tests as they come; null for nobody.</returns>
    IKtapObserver? Starting(string glob, bool isOnly);

    /// <summary>A kernel has ended.</summary>
    void Ended(KunitBoot boot);
}
