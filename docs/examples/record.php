<?php
// A lead and its conversion in one transaction. In a web application, $form is $_POST.
// Usage: php record.php < form.json, with the connection in PGHOST, PGPORT, PGDATABASE, PGUSER, PGPASSWORD
declare(strict_types=1);

$form = json_decode(stream_get_contents(STDIN), true, flags: JSON_THROW_ON_ERROR);
$db = new PDO('pgsql:');

$db->beginTransaction();
try {
    $lead = $db->prepare('INSERT INTO lead (email) VALUES (?) RETURNING id');
    $lead->execute([$form['email']]);

    $event = [
        'name' => 'lead_submitted',
        'event_id' => $form['fb_event_id'] ?? null,
        'lead_id' => $lead->fetchColumn(),
        'person' => ['email' => $form['email'], 'phone' => $form['phone'] ?? null],
        'visitor' => [
            'ip' => $_SERVER['REMOTE_ADDR'] ?? null,
            'user_agent' => $_SERVER['HTTP_USER_AGENT'] ?? null,
            'url' => $_SERVER['HTTP_REFERER'] ?? null,
            'fbp' => $form['fbp'] ?? $_COOKIE['_fbp'] ?? null,
            'fbc' => $form['fbc'] ?? $_COOKIE['_fbc'] ?? null,
        ],
        'campaign' => ['source' => $form['utm_source'] ?? null],
        'details' => ['form' => 'lead-form-ds25'],
    ];
    $recorded = $db->prepare('SELECT outbox.record(?)');
    $recorded->execute([json_encode($event, JSON_THROW_ON_ERROR)]);
    $id = $recorded->fetchColumn();

    $db->commit();
} catch (Throwable $error) {
    if ($db->inTransaction()) {
        $db->rollBack();
    }
    throw $error;
}

echo $id, "\n";
